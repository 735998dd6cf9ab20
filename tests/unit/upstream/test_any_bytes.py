"""A connection without a socket, fed with any bytes."""

import asyncio
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chromagent.errors import GatewayError
from chromagent.upstream.http1 import Connection
from tests.support.raw_upstream import (
    CHUNKED,
    LAST_CHUNK,
    chunk,
)


class Wire(asyncio.Transport):
    """Takes everything and does nothing."""

    def writelines(self, list_of_data: Any) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def receive(reads: list[bytes]) -> list[bytes | str]:
    """Feed a connection; return the pieces that came out and the name of the fault, if any."""
    connection = Connection()
    connection.connection_made(Wire())
    loop = asyncio.get_running_loop()
    for read in reads:
        loop.call_soon(connection.data_received, read)
    loop.call_soon(connection.eof_received)
    came: list[bytes | str] = []
    try:
        await connection.send(b"", b"", 5.0)
        while piece := await connection.read():
            came.append(piece)
    except GatewayError as fault:
        came.append(type(fault).__name__)
    return came


PIECES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 103 X\r\n\r\n",
    b"content-length: 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"hello",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(PIECES)), max_size=12))
def test_any_bytes_are_an_answer_or_an_error_of_the_upstream(reads: list[bytes]) -> None:
    came = asyncio.run(receive(reads))
    assert all(isinstance(one, bytes) or one in ("UpstreamUnreachable", "UpstreamInvalidResponse") for one in came)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 200), max_size=20), st.lists(st.binary(min_size=1, max_size=60), max_size=8))
def test_however_reads_are_cut_the_body_is_the_same(cuts: list[int], contents: list[bytes]) -> None:
    answer = CHUNKED + b"".join(chunk(content) for content in contents) + LAST_CHUNK
    edges = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    came = asyncio.run(receive([answer[start:end] for start, end in pairwise(edges)]))
    assert b"".join(piece if isinstance(piece, bytes) else b"fault" for piece in came) == b"".join(contents)
