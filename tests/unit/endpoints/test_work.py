"""Work that ends early: one reason, the first, in place of the cancellation."""

import asyncio
from typing import Any

import pytest

from chromagent.endpoints.asgi import ClientLeft
from chromagent.endpoints.work import Work
from chromagent.errors import UpstreamTimeout, UpstreamUnavailable

pytestmark = pytest.mark.anyio


async def stays() -> Any:
    await asyncio.sleep(60)


async def leaves() -> Any:
    await asyncio.sleep(0.01)
    return {"type": "http.disconnect"}


def work(receive: Any = stays, seconds: float = 30.0, among: set[Work] | None = None) -> Work:
    return Work(receive, asyncio.get_running_loop().time() + seconds, UpstreamTimeout, set() if among is None else among)


async def test_late_work_ends_in_what_its_owner_says_of_it() -> None:
    with pytest.raises(UpstreamTimeout), work(seconds=0.01):
        await asyncio.sleep(5)


async def test_work_whose_time_was_over_before_it_began_ends_too() -> None:
    with pytest.raises(UpstreamTimeout), work(seconds=-1):
        await asyncio.sleep(5)


async def test_work_for_a_client_that_left_ends() -> None:
    with pytest.raises(ClientLeft), work(leaves):
        await asyncio.sleep(5)


async def test_work_in_time_leaves_no_watcher_and_no_cancellation_behind() -> None:
    task = asyncio.current_task()
    among: set[Work] = set()
    assert task is not None
    with work(seconds=0.05, among=among):
        assert len(among) == 1
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)
    assert (task.cancelling(), among, len(asyncio.all_tasks()) <= 2) == (0, set(), True)


async def test_of_two_reasons_the_first_counts() -> None:
    async def ended_twice() -> None:
        with work() as doing:
            doing.end(UpstreamUnavailable())
            doing.end(UpstreamTimeout())
            await asyncio.sleep(5)

    with pytest.raises(UpstreamUnavailable):
        await ended_twice()


async def test_an_error_of_the_work_itself_is_not_hidden_by_the_reason() -> None:
    async def broken() -> None:
        with work() as doing:
            doing.end(UpstreamUnavailable())
            raise ValueError("own")

    with pytest.raises(ValueError, match="own"):
        await broken()


async def test_somebody_elses_cancellation_stays_one() -> None:
    async def cancelled() -> None:
        with work() as doing:
            doing.end(UpstreamUnavailable())
            await asyncio.sleep(5)

    task = asyncio.create_task(cancelled())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
