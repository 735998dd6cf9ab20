"""Work on large requests beside the event loop."""

import asyncio
import threading

import pytest

from chromagent.endpoints.worker_threads import WorkerThreads
from chromagent.errors import InvalidRequest
from chromagent.policy.request_memory import RequestMemory

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def until_zero(memory: RequestMemory) -> None:
    async with asyncio.timeout(5):
        while memory.used:  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0.01)


async def test_what_work_returns_or_raises_comes_back() -> None:
    def fail() -> None:
        raise InvalidRequest("no")

    threads = WorkerThreads()
    with RequestMemory(100).open("a") as share:
        assert await threads.run(share, threading.current_thread) is not threading.current_thread()
        with pytest.raises(InvalidRequest):
            await threads.run(share, fail)


async def test_a_request_that_ends_early_is_counted_until_its_thread_is_done() -> None:
    memory, go = RequestMemory(100), threading.Event()
    threads = WorkerThreads()

    async def serve() -> None:
        with memory.open("a") as share:
            share.add(10)
            await threads.run(share, lambda: go.wait(5))

    task = asyncio.create_task(serve())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert memory.used == 10
    go.set()
    await until_zero(memory)


async def test_one_caller_has_one_thread_and_others_have_the_other_one() -> None:
    memory, go = RequestMemory(100), threading.Event()
    threads = WorkerThreads()
    running: list[int] = []

    def block() -> None:
        running.append(1)
        go.wait(5)

    async def serve() -> None:
        with memory.open("a") as share:
            share.add(1)
            await threads.run(share, block)

    tasks = [asyncio.create_task(serve()) for _ in range(5)]
    await asyncio.sleep(0.05)
    with memory.open("b") as share:
        assert await threads.run(share, lambda: "served") == "served"
    assert len(running) == 1
    tasks[-1].cancel()  # while it waits for its turn
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(running) == 4
    await until_zero(memory)
