"""Limits of requests and tokens: counted in the worker, counted on a Redis, and what happens while that is away."""

import asyncio
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from limits import parse_many

from chromagent.errors import LimiterUnavailable, RateLimited, TokensLimited
from chromagent.policy.admission import client_address
from chromagent.policy.limit_storages import WorkerStorage
from chromagent.policy.limits import Limiter, LimitRules

pytestmark = pytest.mark.anyio

Opened = Callable[..., Limiter]


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Limiter]]:
    """Makes limiters, and closes them afterwards."""
    limiters: list[Limiter] = []

    def make(clock: Callable[[], float] = time.time, **rules: Any) -> Limiter:
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
    assert await limiter.reserve("a", None, 10**9) == (None, {})


async def test_tokens_are_reserved_and_then_settled(opened: Opened, storage: str) -> None:
    limiter = opened(tokens_per_key="100/minute", storage=storage)
    key = f"key-{time.time()}"
    reservation, headers = await limiter.reserve(key, None, 60)
    assert (headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-remaining-tokens"]) == ("100", "40")
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve(key, None, 60)
    assert caught.value.code == "tokens_limit_exceeded"
    await limiter.settle(reservation, 10)
    again, headers = await limiter.reserve(key, None, 60)
    assert headers["x-ratelimit-remaining-tokens"] == "30"
    await limiter.settle(again, 95)
    with pytest.raises(TokensLimited):
        await limiter.reserve(key, None, 1)


async def test_a_refused_reservation_takes_nothing(opened: Opened, storage: str) -> None:
    limiter = opened(tokens_per_key="100/minute", storage=storage)
    key = f"key-{time.time()}"
    await limiter.reserve(key, None, 50)
    with pytest.raises(TokensLimited):
        await limiter.reserve(key, None, 80)
    _, headers = await limiter.reserve(key, None, 50)
    assert headers["x-ratelimit-remaining-tokens"] == "0"


async def test_an_estimate_beyond_the_limit_itself_can_still_be_served(opened: Opened) -> None:
    limiter = opened(tokens_per_key="100/minute")
    reservation, headers = await limiter.reserve("a", None, 5000)
    assert reservation is not None
    assert headers["x-ratelimit-remaining-tokens"] == "0"


@pytest.mark.parametrize(("used", "left"), [(0, "100"), (40, "60"), (100, "0")])
async def test_an_estimate_beyond_the_limit_gives_back_no_more_than_it_took(
    opened: Opened, storage: str, used: int, left: str
) -> None:
    limiter = opened(tokens_per_key="100/minute", storage=storage)
    key = f"key-{time.time()}"
    reservation, _ = await limiter.reserve(key, None, 10**9)
    await limiter.settle(reservation, used)
    _, headers = await limiter.reserve(key, None, 0)
    assert headers["x-ratelimit-remaining-tokens"] == left


async def test_settling_goes_on_when_its_request_is_cancelled(opened: Opened, redis_url: str) -> None:
    limiter = opened(tokens_per_key="100/minute", storage=redis_url)
    key = f"key-{time.time()}"
    reservation, _ = await limiter.reserve(key, None, 10)
    await limiter.close()  # as in a burst, where every connection is a new one
    settling = asyncio.ensure_future(limiter.settle(reservation, 70))
    await asyncio.sleep(0)
    settling.cancel()
    await asyncio.sleep(0.2)
    _, headers = await limiter.reserve(key, None, 0)
    assert headers["x-ratelimit-remaining-tokens"] == "30"


async def test_a_window_that_outlasts_another_is_still_settled(opened: Opened) -> None:
    now = time.time()
    limiter = opened(clock=lambda: now, tokens_per_key="100/minute;1000/day")
    reservation, _ = await limiter.reserve("a", None, 10)
    now += 61
    await limiter.settle(reservation, 990)
    with pytest.raises(TokensLimited) as caught:
        await limiter.reserve("a", None, 20)
    assert caught.value.headers["x-ratelimit-limit-tokens"] == "1000"


async def test_a_window_of_tokens_ends_and_another_begins(opened: Opened) -> None:
    now = time.time()
    limiter = opened(clock=lambda: now, tokens_per_key="100/second")
    await limiter.reserve("a", None, 90)
    now += 1.5
    _, headers = await limiter.reserve("a", None, 20)
    assert headers["x-ratelimit-remaining-tokens"] == "80"


async def test_what_is_settled_after_the_window_is_dropped(opened: Opened) -> None:
    now = time.time()
    limiter = opened(clock=lambda: now, tokens_per_key="100/minute")
    reservation, _ = await limiter.reserve("a", None, 10)
    now += 61
    await limiter.settle(reservation, 1000)
    _, headers = await limiter.reserve("b", None, 10)
    assert headers["x-ratelimit-remaining-tokens"] == "90"


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
        assert await limiter.reserve("a", None, 10) == (None, {})
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


async def test_what_no_longer_counts_is_forgotten() -> None:
    now = 1000.0
    storage = WorkerStorage(lambda: now)
    [minute], [hour] = parse_many("2/minute"), parse_many("9/hour")
    for address in range(500):
        await storage.hit(minute, f"ip:{address}", 1)
        await storage.add(minute, f"tokens:{address}", 5)
    await storage.hit(hour, "key:a", 1)
    assert len(storage._hits) == 501  # pyright: ignore[reportPrivateUsage]
    now += 61
    await storage.hit(hour, "key:a", 1)
    assert list(storage._hits) == [hour.key_for("key:a")]  # pyright: ignore[reportPrivateUsage]
    assert storage._counts == {}  # pyright: ignore[reportPrivateUsage]


async def test_an_address_that_came_once_takes_less_than_half_a_kilobyte() -> None:
    storage = WorkerStorage(time.time)
    [day] = parse_many("1000/day")
    tracemalloc.start()
    for address in range(2000):
        await storage.hit(day, f"ip:{address}", 1)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / 2000 < 500


async def test_counting_in_a_worker_starts_neither_tasks_nor_threads(opened: Opened) -> None:
    limiter = opened(per_ip="1000/minute", tokens_per_key="1000/minute")
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    for address in range(300):
        await limiter.admit_address(f"10.0.{address // 256}.{address % 256}", "chat")
        await limiter.reserve("a", None, 1)
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
