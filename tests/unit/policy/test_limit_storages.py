"""Windows and balances, in the worker and on a Redis: the same arithmetic, and nothing is kept for ever."""

import asyncio
import math
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from chromagent.policy.limit_storages import START_AVERAGE, Balances, Demand, MemoryStorage, RedisStorage, Storage, balance
from chromagent.schema.rates import Window
from tests.support.processes import ROOT, clean_environment

pytestmark = pytest.mark.anyio

MINUTE, HOUR, DAY = Window(100, 60), Window(1000, 3600), Window(5000, 86_400)


@asynccontextmanager
async def opened(name: str, address: str) -> AsyncIterator[Storage]:
    storage = MemoryStorage(time.monotonic) if name == "memory" else RedisStorage(address)
    try:
        yield storage
    finally:
        await storage.close()


def of(known: int = 0, answers: int = 0, needed: int = 1) -> Demand:
    return Demand(known, answers, needed)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 200)),
        st.tuples(st.just("admit"), st.integers(0, 300), st.integers(0, 2), st.integers(1, 120)),
        st.tuples(st.just("settle"), st.integers(0, 20), st.integers(0, 500), st.none() | st.integers(0, 400)),
    ),
    max_size=40,
)


class Ledger:
    """The balances as an accountant would keep them: filled drop by drop, debited when a cost is known."""

    def __init__(self, windows: list[Window]) -> None:
        self.windows = windows
        self.held = [float(window.amount) for window in windows]
        self.flights: list[tuple[str, int]] = []
        self.average: float = START_AVERAGE

    @property
    def in_flight(self) -> int:
        return sum(tokens for _, tokens in self.flights)

    def wait(self, seconds: float) -> None:
        refilled = [held + seconds * window.amount / window.seconds for held, window in zip(self.held, self.windows, strict=True)]
        self.held = [min(window.amount, held) for held, window in zip(refilled, self.windows, strict=True)]

    def settle(self, position: int, tokens: int, answer: int | None) -> str:
        reservation, _ = self.flights.pop(position)
        self.held = [held - tokens for held in self.held]
        if answer is not None:
            self.average = 0.8 * self.average + 0.2 * answer
        return reservation

    def agrees(self, balances: Balances) -> bool:
        found = [balance(window, seconds) for window, seconds in zip(self.windows, balances.until_full, strict=True)]
        return found == pytest.approx(self.held, abs=0.01) and balances.in_flight == self.in_flight


@settings(max_examples=300, deadline=None)
@given(OPERATIONS)
async def test_a_balance_is_what_refilled_less_what_was_used(operations: list[tuple[str, ...]]) -> None:
    now = 5_000.0
    windows = [MINUTE, HOUR]
    storage, ledger = MemoryStorage(lambda: now), Ledger(windows)
    for number, (kind, *values) in enumerate(operations):
        if kind == "wait":
            now += values[0]
            ledger.wait(values[0])
        elif kind == "admit":
            demand = Demand(*values)
            found = await storage.admit("a", windows, str(number), demand, ttl=math.inf)
            room = min(ledger.held) - ledger.in_flight - demand.needed
            if abs(room) > 0.01:
                assert found.admitted == (room > 0)
            if found.admitted:
                assert found.reserved == pytest.approx(demand.known + demand.answers * ledger.average, abs=1)
                ledger.flights.append((str(number), found.reserved))
            assert ledger.agrees(found)
        elif ledger.flights:
            position, tokens, answer = values
            reservation = ledger.settle(position % len(ledger.flights), tokens, answer)
            assert ledger.agrees(await storage.settle("a", windows, reservation, tokens, answer))


@settings(max_examples=25, deadline=None)
@given(operations=OPERATIONS)
def test_a_redis_counts_as_a_worker_does(redis_url: str, operations: list[tuple[str, ...]]) -> None:
    """Days, so that the time that the test itself takes changes nothing."""
    windows = [DAY, Window(9000, 30 * 86_400)]

    async def compare() -> None:
        account, flights = f"account-{time.time()}", []
        worker, remote = MemoryStorage(time.monotonic), RedisStorage(redis_url)
        for number, (kind, *values) in enumerate(operations):
            if kind == "admit":
                found = [await each.admit(account, windows, str(number), Demand(*values), 900) for each in (worker, remote)]
                if found[0].admitted:
                    flights.append(str(number))
            elif kind == "settle" and flights:
                position, tokens, answer = values
                reservation = flights.pop(position % len(flights))
                found = [await each.settle(account, windows, reservation, tokens, answer) for each in (worker, remote)]
            else:
                continue
            assert found[0]._replace(until_full=()) == found[1]._replace(until_full=())
            assert found[0].until_full == pytest.approx(found[1].until_full, abs=2)
        await remote.close()

    asyncio.run(compare())


@pytest.mark.parametrize("name", ["memory", "redis"])
async def test_the_reservation_of_an_instance_that_died_is_dropped_and_its_cost_still_counts(name: str, redis_url: str) -> None:
    async with opened(name, redis_url) as storage:
        account = f"account-{time.time()}"
        assert (await storage.admit(account, [DAY], "dead", of(6000), 0.3)).in_flight == 6000
        assert not (await storage.admit(account, [DAY], "live", of(1), 60)).admitted
        await asyncio.sleep(0.4)
        assert (await storage.admit(account, [DAY], "live", of(1), 60)).in_flight == 1
        late = await storage.settle(account, [DAY], "dead", 500, None)
        assert (late.in_flight, balance(DAY, late.until_full[0])) == (1, pytest.approx(4500, abs=1))


@pytest.mark.parametrize("name", ["memory", "redis"])
async def test_a_hundred_at_once_share_one_exact_balance(name: str, redis_url: str) -> None:
    async with opened(name, redis_url) as storage:
        account = f"account-{time.time()}"
        found = await asyncio.gather(*(storage.admit(account, [DAY], str(number), of(500), 60) for number in range(100)))
        admitted = [str(number) for number, balances in enumerate(found) if balances.admitted]
        assert len(admitted) == 10
        settled = await asyncio.gather(*(storage.settle(account, [DAY], reservation, 700, None) for reservation in admitted))
        assert min(balances.in_flight for balances in settled) == 0
        assert max(balances.until_full[0] for balances in settled) == pytest.approx(7000 * 86_400 / 5000, abs=2)


async def test_nothing_stays_on_a_redis_for_ever(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    async with opened("redis", redis_url) as storage:
        await storage.hit("ip:1.2.3.4", [MINUTE, HOUR], 1)
        await storage.admit("new", [DAY], "1", of(10), 600)
        await storage.admit("average", [DAY], "2", of(10), 600)
        await storage.settle("average", [DAY], "2", 100, 90)
        await storage.admit("debt", [DAY], "3", of(10), 600)
        await storage.settle("debt", [DAY], "3", 500_000, None)
        await storage.settle("debt", [DAY], "4", 10**30, None)
    ends = {key.decode(): client.ttl(key) for key in client.scan_iter()}
    client.close()
    assert 60 <= ends.pop("chromagent:requests:{ip:1.2.3.4}:100/60") <= 61
    assert 3600 <= ends.pop("chromagent:requests:{ip:1.2.3.4}:1000/3600") <= 3601
    assert ends.pop("chromagent:tokens:{debt}") == pytest.approx(1e10, abs=3)
    assert set(ends) == {"chromagent:tokens:{new}", "chromagent:tokens:{average}"}
    assert all(86_399 <= seconds <= 86_402 for seconds in ends.values())


async def test_a_rate_that_was_changed_leaves_no_field_behind(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    async with opened("redis", redis_url) as storage:
        account = f"account-{time.time()}"
        await storage.settle(account, [Window(1000, 1)], "1", 100, None)
        await asyncio.sleep(0.2)
        await storage.settle(account, [DAY], "2", 100, None)
        fields = client.hkeys(f"chromagent:tokens:{{{account}}}")
    client.close()
    assert fields == [b"full 5000/86400"]


async def test_what_no_longer_counts_is_forgotten() -> None:
    now = 1000.0
    storage = MemoryStorage(lambda: now)
    for number in range(500):
        await storage.hit(f"ip:{number}", [MINUTE], 1)
        await storage.admit(f"key-{number}", [MINUTE], "1", of(5), 600)
        await storage.settle(f"key-{number}", [MINUTE], "1", 5, 5)
    await storage.hit("key:a", [HOUR], 1)
    await storage.admit("running", [MINUTE], "1", of(5), 200_000)
    await storage.settle("in debt", [DAY], "1", 50_000, None)
    now += 61
    await storage.hit("key:a", [HOUR], 1)
    assert list(storage._hits) == [("key:a", HOUR)]  # pyright: ignore[reportPrivateUsage]
    now += 86_400
    await storage.hit("key:a", [HOUR], 1)
    assert list(storage._accounts) == ["running", "in debt"]  # pyright: ignore[reportPrivateUsage]


async def test_an_address_that_came_once_takes_less_than_half_a_kilobyte() -> None:
    storage = MemoryStorage(time.monotonic)
    tracemalloc.start()
    for address in range(2000):
        await storage.hit(f"ip:{address}", [DAY], 1)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / 2000 < 500


@pytest.mark.parametrize("name", ["memory", "redis"])
async def test_a_window_tells_when_there_is_room_for_what_a_request_costs(name: str, redis_url: str) -> None:
    async with opened(name, redis_url) as storage:
        key, window = f"key-{time.time()}", Window(3, 1)
        await storage.hit(key, [window], 1)
        await asyncio.sleep(0.5)
        [hit] = await storage.hit(key, [window], 2)
        assert (hit.admitted, hit.left) == (True, 0)
        [one] = await storage.hit(key, [window], 1)
        [two] = await storage.hit(key, [window], 2)
        assert (one.admitted, two.admitted) == (False, False)
        assert one.wait == pytest.approx(0.5, abs=0.1)
        assert two.wait == pytest.approx(1, abs=0.1)
        assert two.resets == pytest.approx(0.5, abs=0.1)


MODULES = """
import asyncio, sys
from chromagent.policy.limits import Limiter, LimitRules
from chromagent.schema.chat import TokenEstimate

async def main():
    limiter = Limiter(LimitRules(per_ip="5/second", per_key="60/minute", tokens_per_key="1000/hour"))
    await limiter.admit_address("1.2.3.4", "chat")
    await limiter.admit_key("a", "10 per 5 seconds", "chat")
    reservation, _ = await limiter.reserve("a", None, TokenEstimate(5, 20, None, 1))
    await limiter.settle(reservation, 7, complete=True)

asyncio.run(main())
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"limits", "redis", "deprecated", "packaging"}))
"""


def test_counting_in_a_worker_imports_no_library() -> None:
    command = [sys.executable, "-c", MODULES]
    told = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""
