"""Several choices from an upstream that makes one at a time: identical calls side by side, merged (wire-anthropic §2.11).

All or nothing: the first failure cancels the others and is the answer. Usage is the sum, as that is what is billed.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias, cast

from chromagent.codec import JsonObject, JsonValue
from chromagent.translators.protocol import Delta

_Queue: TypeAlias = "asyncio.Queue[list[Delta] | Exception | None]"


async def gather(count: int, call: Callable[[], Awaitable[JsonObject]]) -> list[JsonObject]:
    """Make the call as often as asked, at the same time."""
    if count == 1:
        return [await call()]
    tasks = [asyncio.ensure_future(call()) for _ in range(count)]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await _cancel(tasks)


def merge(completions: Sequence[JsonObject]) -> JsonObject:
    """Make one completion: id and time of the first, each one's choice at its index."""
    merged = dict(completions[0])
    if len(completions) > 1:
        merged["choices"] = [{**one["choices"][0], "index": index} for index, one in enumerate(completions)]
        merged["usage"] = add([one["usage"] for one in completions])
    return merged


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


def interleave(sources: "Sequence[AsyncGenerator[list[Delta]]]") -> "AsyncGenerator[list[Delta]]":
    """Give the deltas of all sources as they come, each under its own choice index."""
    return sources[0] if len(sources) == 1 else _interleave(sources)


async def _interleave(sources: "Sequence[AsyncGenerator[list[Delta]]]") -> "AsyncGenerator[list[Delta]]":
    queue: _Queue = asyncio.Queue(maxsize=len(sources))
    tasks = [asyncio.ensure_future(_pump(source, choice, queue)) for choice, source in enumerate(sources)]
    try:
        running = len(tasks)
        while running:
            item = await queue.get()
            if item is None:
                running -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                yield item
    finally:
        await _cancel(tasks)


async def _pump(source: "AsyncGenerator[list[Delta]]", choice: int, queue: _Queue) -> None:
    try:
        async with aclosing(source):
            async for deltas in source:
                await queue.put([delta._replace(choice=choice) for delta in deltas])
    except Exception as error:
        await queue.put(error)  # whatever it is, the reader must not wait for more
    else:
        await queue.put(None)


async def _cancel(tasks: "Sequence[asyncio.Future[Any]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
