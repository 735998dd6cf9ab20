"""Limits of requests and tokens: counted in the worker, counted on a Redis, and what happens while that is away."""

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from chromagent.errors import InvalidRequest, LimiterUnavailable, RateLimited, TokensLimited
from chromagent.policy.admission import client_address
from chromagent.policy.limit_storages import START_AVERAGE
from chromagent.policy.limits import Limiter, LimitRules, Reservation
from chromagent.schema.chat import TokenEstimate

pytestmark = pytest.mark.anyio

Opened = Callable[..., Limiter]


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Limiter]]:
    """Makes limiters, and closes them afterwards."""
    limiters: list[Limiter] = []

    def make(clock: Callable[[], float] = time.monotonic, **rules: Any) -> Limiter:
        limiters.append(Limiter(LimitRules(**rules), clock))
        return limiters[-1]

    yield make
    for limiter in limiters:
        await limiter.close()


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")


async def test_the_request_beyond_the_limit_is_told_when_to_come_again(opened: Opened, storage: str) -> None:
    limiter = opened(per_key="2/minute", storage=storage)
    key = f"key-{time.time()}"
    first = await limiter.admit_key(key, None, "chat")
    second = await limiter.admit_key(key, None, "chat")
    assert (first["x-ratelimit-limit-requests"], first["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert second["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(RateLimited) as caught:
        await limiter.admit_key(key, None, "chat")
    assert caught.value.status == 429
    assert caught.value.retry_after is not None
    assert 50 < caught.value.retry_after <= 60


async def test_the_window_moves(opened: Opened, storage: str) -> None:
    limiter = opened(per_key="1/second", storage=storage)
    key = f"key-{time.time()}"
    await limiter.admit_key(key, None, "chat")
    with pytest.raises(RateLimited):
        await limiter.admit_key(key, None, "chat")
    await asyncio.sleep(1.1)
    await limiter.admit_key(key, None, "chat")


async def test_keys_and_addresses_count_apart(opened: Opened, storage: str) -> None:
    limiter = opened(per_key="1/minute", per_ip="1/minute", storage=storage)
    now = str(time.time())
    for one in ("a", "b"):
        await limiter.admit_key(f"{now}{one}", None, "chat")
        await limiter.admit_address(f"{now}{one}", "chat")
    with pytest.raises(RateLimited):
        await limiter.admit_address(f"{now}a", "chat")


async def test_a_key_may_have_a_rate_of_its_own(opened: Opened) -> None:
    limiter = opened(per_key="1/minute")
    for _ in range(3):
        await limiter.admit_key("a", "3/minute", "chat")
    with pytest.raises(RateLimited):
        await limiter.admit_key("a", "3/minute", "chat")


async def test_a_route_may_weigh_more_or_nothing(opened: Opened) -> None:
    limiter = opened(per_key="4/minute", weights={"chat": 2, "models": 0})
    for _ in range(10):
        await limiter.admit_key("a", None, "models")
    await limiter.admit_key("a", None, "chat")
    await limiter.admit_key("a", None, "chat")
    with pytest.raises(RateLimited):
        await limiter.admit_key("a", None, "chat")


async def test_a_route_that_weighs_more_than_what_is_left_has_to_wait(opened: Opened, storage: str) -> None:
    limiter = opened(per_key="3/minute", weights={"chat": 2, "models": 1}, storage=storage)
    key = f"key-{time.time()}"
    await limiter.admit_key(key, None, "chat")
    with pytest.raises(RateLimited):
        await limiter.admit_key(key, None, "chat")
    assert (await limiter.admit_key(key, None, "models"))["x-ratelimit-remaining-requests"] == "0"


async def test_what_one_window_refuses_counts_in_no_other(opened: Opened, storage: str) -> None:
    limiter = opened(per_key="1/second;3/hour", storage=storage)
    key = f"key-{time.time()}"
    await limiter.admit_key(key, None, "chat")
    for _ in range(5):
        with pytest.raises(RateLimited):
            await limiter.admit_key(key, None, "chat")
    await asyncio.sleep(1.1)
    await limiter.admit_key(key, None, "chat")
    await asyncio.sleep(1.1)
    await limiter.admit_key(key, None, "chat")


async def test_a_step_of_the_wall_clock_changes_no_window(opened: Opened, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = opened(per_key="1/hour", tokens_per_key="100/hour", storage=storage)
    key, wall = f"key-{time.time()}", time.time
    await limiter.admit_key(key, None, "chat")
    await use(limiter, key, 150)
    for step in (-86_400, 86_400):
        monkeypatch.setattr(time, "time", lambda step=step: wall() + step)
        with pytest.raises(RateLimited) as caught:
            await limiter.admit_key(key, None, "chat")
        assert caught.value.retry_after == pytest.approx(3600, abs=5)
        with pytest.raises(TokensLimited) as caught:
            await limiter.reserve(key, None, estimate())
        assert caught.value.retry_after == pytest.approx(51 * 36, abs=5)


def test_a_worker_counts_by_a_clock_that_only_goes_forward() -> None:
    assert inspect.signature(Limiter).parameters["clock"].default is time.monotonic


async def test_of_two_windows_the_tighter_one_counts_and_is_told(opened: Opened) -> None:
    limiter = opened(per_key="2/second;100/minute")
    headers = await limiter.admit_key("a", None, "chat")
    assert headers["x-ratelimit-limit-requests"] == "2"
    await limiter.admit_key("a", None, "chat")
    with pytest.raises(RateLimited):
        await limiter.admit_key("a", None, "chat")


async def test_without_a_rule_nothing_is_counted(opened: Opened) -> None:
    limiter = opened()
    for _ in range(100):
        assert await limiter.admit_key("a", None, "chat") == {}
    assert await limiter.reserve("a", None, estimate(10**9)) == (None, {})


def estimate(prompt: int = 0, answer: int | None = 0, *, choices: int = 1, maximum: int | None = None) -> TokenEstimate:
    return TokenEstimate(prompt, prompt if maximum is None else maximum, answer, choices)


async def reserved(limiter: Limiter, key: str, *of: Any, **named: Any) -> tuple[Reservation, dict[str, str]]:
    reservation, headers = await limiter.reserve(key, None, estimate(*of, **named))
    assert reservation is not None
    return reservation, headers


async def use(limiter: Limiter, key: str, tokens: int) -> None:
    """Have a request admitted that costs so much."""
    reservation, _ = await reserved(limiter, key)
    await limiter.settle(reservation, tokens, complete=True)


async def test_what_a_request_has_cost_replaces_what_it_was_estimated_to_need(opened: Opened, storage: str) -> None:
    limiter = opened(tokens_per_key="100/hour", storage=storage)
    key = f"key-{time.time()}"
    reservation, headers = await reserved(limiter, key, 40, 20)
    assert (headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-remaining-tokens"]) == ("100", "40")
    assert headers["x-ratelimit-reset-tokens"] == "36m0s"
    headers = await limiter.settle(reservation, 10, complete=True)
    assert headers["x-ratelimit-remaining-tokens"] == "90"
    assert headers["x-ratelimit-reset-tokens"] == "6m0s"


async def test_a_request_is_admitted_while_a_token_is_left_beyond_what_is_in_flight(opened: Opened, storage: str) -> None:
    limiter = opened(tokens_per_key="100/hour", storage=storage)
    key = f"key-{time.time()}"
    first, _ = await reserved(limiter, key, 99)
    second, headers = await reserved(limiter, key, 99)
    assert headers["x-ratelimit-remaining-tokens"] == "0"
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve(key, None, estimate(0))
    assert caught.value.code == "tokens_limit_exceeded"
    assert caught.value.message == "Token limit of 100 per hour reached: 0 used, 198 in flight. Try again in 1s."
    for reservation in (first, second):
        await limiter.settle(reservation, 0, complete=False)
    await reserved(limiter, key, 1)


async def test_a_key_in_debt_waits_until_it_is_paid(opened: Opened, storage: str) -> None:
    limiter = opened(tokens_per_key="60/minute", storage=storage)
    key = f"key-{time.time()}"
    await use(limiter, key, 60 + 300)
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve(key, None, estimate())
    assert caught.value.retry_after == pytest.approx(301, abs=1)
    assert caught.value.headers["x-ratelimit-remaining-tokens"] == "0"
    assert caught.value.headers["x-ratelimit-reset-tokens"] == "6m0s"


async def test_a_refused_key_gets_in_exactly_when_it_was_told(opened: Opened) -> None:
    now = 1000.0
    limiter = opened(clock=lambda: now, tokens_per_key="1000/minute;20000/hour")
    await use(limiter, "a", 21_500)
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve("a", None, estimate())
    wait = caught.value.retry_after
    assert wait == pytest.approx(20_501 / 1000 * 60)  # the minute's balance is 20,500 in debt, and one token must be there
    now += wait - 0.01
    with pytest.raises(TokensLimited):
        await limiter.reserve("a", None, estimate())
    now += 0.01
    await reserved(limiter, "a")


async def test_what_is_in_flight_lengthens_the_wait(opened: Opened) -> None:
    now = 1000.0
    limiter = opened(clock=lambda: now, tokens_per_key="100/second")
    await reserved(limiter, "a", 60)
    await use(limiter, "a", 70)
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve("a", None, estimate())
    assert caught.value.retry_after == pytest.approx(0.31)  # 30 left, 60 in flight


async def test_a_cost_counts_however_late_it_is_known(opened: Opened) -> None:
    now = 1000.0
    limiter = opened(clock=lambda: now, tokens_per_key="100/minute")
    reservation, _ = await reserved(limiter, "a", 10)
    now += 3600
    await limiter.settle(reservation, 1000, complete=True)
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve("a", None, estimate())
    assert caught.value.retry_after == pytest.approx(901 * 0.6)


async def test_a_balance_refills_no_further_than_one_windows_amount(opened: Opened) -> None:
    now = 1000.0
    limiter = opened(clock=lambda: now, tokens_per_key="100/minute")
    await use(limiter, "a", 50)
    now += 15
    _, headers = await reserved(limiter, "a")
    assert headers["x-ratelimit-remaining-tokens"] == "75"
    now += 86_400
    _, headers = await reserved(limiter, "a")
    assert headers["x-ratelimit-remaining-tokens"] == "100"


async def test_of_several_balances_all_must_admit_and_the_tightest_is_told(opened: Opened, storage: str) -> None:
    limiter = opened(tokens_per_key="100/minute;150/day", storage=storage)
    key = f"key-{time.time()}"
    _, headers = await reserved(limiter, key)
    assert headers["x-ratelimit-limit-tokens"] == "100"
    await use(limiter, key, 160)
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve(key, None, estimate())
    assert caught.value.headers["x-ratelimit-limit-tokens"] == "150"
    assert caught.value.retry_after == pytest.approx(11 * 86_400 / 150, abs=1)


async def test_without_a_maximum_answers_count_as_this_keys_have_lately_cost(opened: Opened, storage: str) -> None:
    limiter = opened(tokens_per_key="1000000/hour", storage=storage)
    key = f"key-{time.time()}"
    first, _ = await reserved(limiter, key, 10, None)
    assert first.tokens == 10 + START_AVERAGE
    for _ in range(20):
        reservation, _ = await reserved(limiter, key, 10, None, choices=2)
        await limiter.settle(reservation, 10 + 2 * 3000, complete=True)
    learned, _ = await reserved(limiter, key, 10, None)
    assert learned.tokens == pytest.approx(3010, rel=0.02)
    twice, _ = await reserved(limiter, key, 10, None, choices=2)
    assert twice.tokens == pytest.approx(6010, rel=0.02)
    other, _ = await reserved(limiter, f"{key}-other", 10, None)
    assert other.tokens == 10 + START_AVERAGE


async def test_answers_that_were_cut_short_teach_nothing(opened: Opened, storage: str) -> None:
    limiter = opened(tokens_per_key="1000000/hour", storage=storage)
    key = f"key-{time.time()}"
    first, _ = await reserved(limiter, key, 10, None)
    await limiter.settle(first, 90_000, complete=False)
    second, _ = await reserved(limiter, key, 10, None)
    assert second.tokens == 10 + START_AVERAGE


async def test_over_a_long_time_no_more_is_admitted_than_the_rate_and_one_burst(opened: Opened) -> None:
    """Thirty requests at once, every second for two hours, each answer forty times as large as estimated and a minute late."""
    now = 0.0
    limiter = opened(clock=lambda: now, tokens_per_key="20000/minute")
    running: list[tuple[float, Reservation]] = []
    total = burst = 0
    for second in range(7200):
        now = float(second)
        for _, reservation in [entry for entry in running if entry[0] <= now]:
            await limiter.settle(reservation, 20_000, complete=False)
            total += 20_000
        running = [entry for entry in running if entry[0] > now]
        for _ in range(30):
            with suppress(TokensLimited):
                reservation, _ = await reserved(limiter, "a", 5, None)
                running.append((now + 60, reservation))
        burst = max(burst, len(running) * 20_000)
    assert burst <= 41 * 20_000  # 20,000 tokens in flight, each request estimated at 505
    allowed = 20_000 * 7200 / 60
    assert allowed - burst <= total <= allowed + 20_000 + burst


async def test_a_small_key_gets_its_second_hi(opened: Opened) -> None:
    limiter = opened(tokens_per_key="1000/minute")
    for _ in range(20):
        reservation, _ = await reserved(limiter, "a", 10, None)
        await limiter.settle(reservation, 15, complete=True)


async def test_full_reserves_the_most_that_a_request_can_cost(opened: Opened, storage: str) -> None:
    limiter = opened(tokens_per_key="1000/hour", reserve_full=True, storage=storage)
    key = f"key-{time.time()}"
    first, headers = await reserved(limiter, key, 10, 200, choices=2, maximum=100)
    assert (first.tokens, headers["x-ratelimit-remaining-tokens"]) == (500, "500")
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve(key, None, estimate(10, 501, maximum=0))
    assert caught.value.message == "Token limit of 1000 per hour reached: 0 used, 500 in flight, 501 needed. Try again in 1s."
    await reserved(limiter, key, 10, 500, maximum=0)


async def test_full_refuses_what_no_balance_ever_holds_and_what_has_no_maximum(opened: Opened) -> None:
    limiter = opened(tokens_per_key="1000/hour", reserve_full=True)
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve("a", None, estimate(10, 900, maximum=101))
    assert (caught.value.retry_after, caught.value.headers) == (None, {"x-should-retry": "false"})
    with pytest.raises(InvalidRequest) as refused:
        await limiter.reserve("a", None, estimate(10, None))
    assert (refused.value.param, refused.value.code) == ("max_completion_tokens", "missing_required_parameter")


async def test_settling_goes_on_when_its_request_is_cancelled(opened: Opened, redis_url: str) -> None:
    limiter = opened(tokens_per_key="100/hour", storage=redis_url)
    key = f"key-{time.time()}"
    reservation, _ = await reserved(limiter, key, 10)
    await limiter.close()  # as in a burst, where every connection is a new one
    settling = asyncio.ensure_future(limiter.settle(reservation, 70, complete=True))
    await asyncio.sleep(0)
    settling.cancel()
    await asyncio.sleep(0.2)
    _, headers = await reserved(limiter, key)
    assert headers["x-ratelimit-remaining-tokens"] == "30"


@pytest.mark.parametrize(("seconds", "text"), [(0.02, "20ms"), (1, "1s"), (59.2, "1m0s"), (360, "6m0s"), (3725, "1h2m5s")])
async def test_times_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    from chromagent.policy.limits import _duration  # pyright: ignore[reportPrivateUsage]

    assert _duration(seconds) == text


AWAY = "redis://127.0.0.1:1/0"


async def test_while_redis_is_away_callers_are_let_in_by_default(opened: Opened, capfd: pytest.CaptureFixture[str]) -> None:
    from chromagent import telemetry

    telemetry.configure("info")
    limiter = opened(per_ip="1/minute", per_key="1/minute", tokens_per_key="1/minute", storage=AWAY)
    for _ in range(3):
        await limiter.admit_address("1.2.3.4", "chat")
        assert await limiter.admit_key("a", None, "chat") == {}
        assert await limiter.reserve("a", None, estimate(10)) == (None, {})
    log = capfd.readouterr().err
    assert log.count("the storage of rate limits is away: callers are let in") == 1


async def test_while_redis_is_away_callers_are_refused_where_the_owner_wants_it(opened: Opened) -> None:
    limiter = opened(per_key="1/minute", storage=AWAY, open_when_away=False)
    with pytest.raises(LimiterUnavailable) as caught:
        await limiter.admit_key("a", None, "chat")
    assert (caught.value.status, caught.value.code) == (503, "limiter_unavailable")


async def test_a_hundred_at_once_share_one_exact_limit(opened: Opened, storage: str) -> None:
    limiter = opened(per_key="30/minute", storage=storage)
    key = f"key-{time.time()}"
    results = await asyncio.gather(*(limiter.admit_key(key, None, "chat") for _ in range(100)), return_exceptions=True)
    assert sum(isinstance(result, dict) for result in results) == 30


async def test_counting_in_a_worker_starts_neither_tasks_nor_threads(opened: Opened) -> None:
    limiter = opened(per_ip="1000/minute", tokens_per_key="1000/minute")
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    for address in range(300):
        await limiter.admit_address(f"10.0.{address // 256}.{address % 256}", "chat")
        await limiter.reserve("a", None, estimate(1))
    assert len(asyncio.all_tasks()) == tasks
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("chain", "hops", "address"),
    [
        ("", 0, "9.9.9.9"),
        ("1.1.1.1", 0, "9.9.9.9"),
        ("1.1.1.1", 1, "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1", 1, "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1, 2.2.2.2", 2, "1.1.1.1"),
        ("1.1.1.1", 2, "9.9.9.9"),
        ("", 1, "9.9.9.9"),
    ],
)
def test_the_address_is_what_the_last_trusted_proxy_saw(chain: str, hops: int, address: str) -> None:
    assert client_address({"x-forwarded-for": chain} if chain else {}, "9.9.9.9", hops) == address


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("1.2.3.4", "1.2.3.4"),
        ("fe80::1%eth0", "fe80::"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_subscribers_ipv6_addresses_count_as_one(peer: str, counted: str) -> None:
    assert client_address({}, peer, 0) == counted
    assert client_address({"x-forwarded-for": peer}, "9.9.9.9", 1) == (counted or "9.9.9.9")
