"""Several choices from an upstream that makes one at a time: identical calls side by side, merged (wire-anthropic §2.11).

All or nothing: the first failure cancels the others and is the answer. Usage is the sum, as that is what is billed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, cast

from msgspec.structs import replace

from chromagent.codec import JsonObject, JsonValue
from chromagent.providers.protocol import DeltaSource
from chromagent.translators.protocol import Delta

_Queue: TypeAlias = "asyncio.Queue[list[Delta] | Exception]"


async def complete(count: int, call: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
    """Make the call as often as asked, at the same time; make one completion of all."""
    if count == 1:
        return await call()
    tasks = [asyncio.ensure_future(call()) for _ in range(count)]
    try:
        return _merge(await asyncio.gather(*tasks))
    finally:
        await _cancel(tasks)


def _merge(completions: Sequence[JsonObject]) -> JsonObject:
    """Take id and time of the first, each one's choice at its index."""
    choices = [{**one["choices"][0], "index": index} for index, one in enumerate(completions)]
    return {**completions[0], "choices": choices, "usage": add([one["usage"] for one in completions])}


def add(usages: Sequence[JsonObject]) -> JsonObject:
    """Sum every counter, at every depth."""
    total = usages[0]
    for usage in usages[1:]:
        total = {name: _plus(total.get(name), usage.get(name)) for name in total | usage}
    return total


def _plus(one: JsonValue, other: JsonValue) -> JsonValue:
    if one is None or other is None:
        return other if one is None else one
    return add([cast("JsonObject", one), other]) if isinstance(one, dict) else one + other


def interleave(sources: Sequence[DeltaSource]) -> DeltaSource:
    """Give the deltas of all sources as they come, each under its own choice index."""
    return sources[0] if len(sources) == 1 else _Interleaved(sources)


class _Interleaved:
    """Several sources as one (see `DeltaSource`)."""

    def __init__(self, sources: Sequence[DeltaSource]) -> None:
        self._sources = sources
        self._queue: _Queue = asyncio.Queue(maxsize=len(sources))
        self._running = len(sources)
        self._tasks: list[asyncio.Future[None]] = []

    async def read(self) -> list[Delta]:
        """Return what one of them gave; nothing once all have ended. The first failure is that of all."""
        if not self._tasks:
            self._tasks = [asyncio.ensure_future(self._pump(source, choice)) for choice, source in enumerate(self._sources)]
        while self._running:
            item = await self._queue.get()
            if isinstance(item, Exception):
                raise item
            if item:
                return item
            self._running -= 1
        return []

    async def close(self) -> None:
        """Stop all of them."""
        try:
            await _cancel(self._tasks)
        finally:  # also where the reader is ended just now: nobody else would let go of their connections
            for source in self._sources:
                await source.close()

    async def _pump(self, source: DeltaSource, choice: int) -> None:
        deltas: list[Delta] | None = None
        while deltas != []:
            try:
                deltas = await source.read()
            except Exception as error:
                await self._queue.put(error)  # whatever it is, the reader must not wait for more
                return
            await self._queue.put([replace(delta, choice=choice) for delta in deltas])


async def _cancel(tasks: "Sequence[asyncio.Future[Any]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
