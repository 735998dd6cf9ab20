"""A client that writes the bytes of HTTP itself, towards a gateway that somebody else serves."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from tests.support.faulty_upstream import FaultyUpstream
from tests.support.processes import Server


@dataclass
class Place:
    """The gateway, what it calls, and two keys of different callers."""

    server: Server
    upstream: FaultyUpstream
    key: str
    other_key: str


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        document = json.loads(self.body)
        assert list(document) == ["error"]
        assert set(document["error"]) == {"message", "type", "param", "code"}
        return document["error"]


async def send(place: Place, data: bytes) -> Answer:
    """Send bytes and read until the server has answered once. A server that does not answer fails the test."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port, limit=2**24)
    try:
        async with asyncio.timeout(20):
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
            length = headers.get("content-length")
            body = await reader.readexactly(int(length)) if length else await reader.read()
            return Answer(int(lines[0].split()[1]), headers, body)
    finally:
        writer.close()


def request(place: Place, *lines: str, path: str = "/v1/chat/completions", method: str = "POST") -> bytes:
    """The head of a request with a good key, its last line open."""
    head = [f"{method} {path} HTTP/1.1", "host: x", f"authorization: Bearer {place.key}", "content-type: application/json", *lines]
    return "\r\n".join([*head, "connection: close", "", ""]).encode("latin-1")


async def post(place: Place, body: bytes, *lines: str) -> Answer:
    return await send(place, request(place, *lines, f"content-length: {len(body)}") + body)
