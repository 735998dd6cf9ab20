"""Clients that go away, at any moment and in any number: nothing of them is left, and the others get their own answers."""

import asyncio
import json
import random
import socket
import struct
from typing import Any

import pytest

from tests.support.apps import CLAUDE, GEMINI, chat, events
from tests.support.raw_client import Place, request, send

pytestmark = pytest.mark.anyio

SEED = 20261126


async def ask_and_check(place: Place, key: str, number: int, *, stream: bool) -> None:
    """One request that stays to the end; the answer must be its own."""
    body = json.dumps(chat(GEMINI, f"fault: {'slowly' if stream else ''}; case own{number}", stream=stream)).encode()
    data = request(place, f"content-length: {len(body)}").replace(place.key.encode(), key.encode()) + body
    answer = await send(place, data)
    assert answer.status == 200
    if stream:
        text = "".join(
            chunk["choices"][0]["delta"].get("content", "") for chunk in events(_dechunked(answer.body)) if chunk != "[DONE]"
        )
    else:
        text = json.loads(answer.body)["choices"][0]["message"]["content"]
    assert text == f"Hello-own{number}"


def _dechunked(body: bytes) -> str:
    """The body out of its chunks."""
    found = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        found, body = found + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return found.decode()


async def leave(place: Place, chance: random.Random, number: int, fault: str = "slowly", within: float = 0.08) -> None:
    """One request whose client goes at a random moment: within the head, the body or the answer, with a FIN or an RST."""
    body = json.dumps(
        chat(chance.choice([GEMINI, CLAUDE]), f"fault: {fault}; case gone{number}", stream=chance.random() < 0.7)
    ).encode()
    data = request(place, f"content-length: {len(body)}") + body
    _, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
    writer.write(data if chance.random() < 0.8 else data[: chance.randrange(len(data))])
    await asyncio.sleep(chance.random() * within)
    if chance.random() < 0.5:
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def until(condition: Any, seconds: float = 10) -> bool:
    for _ in range(int(seconds / 0.05)):
        if condition():
            return True
        await asyncio.sleep(0.05)
    return bool(condition())


async def test_three_hundred_clients_that_leave_at_random_moments_leave_nothing(place: Place) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}: 300 disconnects, 60 requests between them")
    await ask_and_check(place, place.key, 0, stream=True)
    await asyncio.sleep(2.5)  # what the tests before left to the server's keep-alive ends
    files = place.server.open_files()
    for round_of in range(10):
        await asyncio.gather(
            *(leave(place, chance, round_of * 30 + number) for number in range(30)),
            *(ask_and_check(place, (place.key, place.other_key)[n % 2], round_of * 6 + n, stream=n % 3 > 0) for n in range(1, 7)),
        )
    assert await until(lambda: not place.upstream.busy)
    assert await until(lambda: place.server.open_files() <= files + 8)
    deep = await send(place, request(place, path="/health?deep=1", method="GET"))
    assert json.loads(deep.body)["process"]["open_streams"] == 0


async def test_clients_that_leave_as_the_answer_comes_take_no_connection_with_them(place: Place) -> None:
    """Afterwards so many requests at once that every connection which can serve must: one that does not was lost."""
    chance = random.Random(SEED + 1)
    for number in range(600):
        await leave(place, chance, 1000 + number, fault="", within=0.004)
    assert await until(lambda: not place.upstream.busy)
    kept = set(place.upstream.last)
    await asyncio.gather(*(ask_and_check(place, place.key, 2000 + number, stream=True) for number in range(len(kept) + 5)))
    lost = {place.upstream.last[one] for one in kept & place.upstream.last.keys()}
    assert [case for case in lost if not case.startswith("own2")] == []
