"""Many streams at once through one process: do all end well, how late is a first chunk, and does the memory come back?

`python tools/bench/many_streams.py --streams 200`. The upstream writes into its first event when it sent it; both clocks are this
machine's. Everything stays on loopback; figures go to standard output, nothing is judged here.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support import processes  # noqa: E402 - the repository's root is not a package of its own

EVENTS = 20
PAUSE = 0.1


async def serve_upstream(port: int) -> None:
    """Answer every request with a stream whose first text is the time at which it was sent."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                for number in range(EVENTS):
                    text = f"{time.time():.6f} " if number == 0 else "word "
                    candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": text}]}}
                    if number == EVENTS - 1:
                        candidate["finishReason"] = "STOP"
                    event = {"candidates": [candidate], "responseId": "r"}
                    data = f"data: {json.dumps(event)}\r\n\r\n".encode()
                    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                    await writer.drain()
                    await asyncio.sleep(PAUSE)
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


async def ask(port: int, start: float) -> tuple[float, bool]:
    """Return the lateness of the first text in seconds, and whether the stream ended well."""
    await asyncio.sleep(start)
    body = json.dumps({"model": "gemini-3.8-flash", "stream": True, "messages": [{"role": "user", "content": "go"}]}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    late, whole = 0.0, b""
    while b"[DONE]" not in whole[-200:]:
        piece = await reader.read(65536)
        if not piece:
            break
        now = time.time()
        whole += piece
        if not late and (sent := re.search(rb'"content":"(\d+\.\d+)', whole)):
            late = now - float(sent[1])
    writer.close()
    return late, b"[DONE]" in whole


async def round_of(port: int, streams: int, ramp: float) -> list[tuple[float, bool]]:
    """Ask at the same time, or spread over some seconds."""
    return await asyncio.gather(*(ask(port, ramp * number / streams) for number in range(streams)))


def measure(streams: int, ramp: float, log: Path) -> None:
    """Start both servers, warm up, measure, and say what was seen."""
    upstream_port = processes.free_port()
    child = subprocess.Popen([sys.executable, __file__, "--upstream", str(upstream_port)])
    backend = {"base_url": f"http://127.0.0.1:{upstream_port}", "auth": "none", "project": "p"}
    configuration = {
        "allow_anonymous": True,
        "backends": {"vertex-gemini": backend, "vertex-anthropic": backend},
        "rate_limit": {"concurrent_per_key": 1000},
    }
    try:
        with processes.function("chat_completions", configuration, log) as gateway:
            asyncio.run(round_of(gateway.port, 20, 0))
            before = gateway.resident_bytes()
            for number in range(3):
                results = asyncio.run(round_of(gateway.port, streams, ramp))
                late = sorted(one for one, _ in results)
                good = sum(ended for _, ended in results)
                print(
                    f"round {number + 1}: {good}/{streams} ended well; "
                    f"first chunk late by median {statistics.median(late) * 1000:.1f} ms, "
                    f"p99 {late[int(len(late) * 0.99) - 1] * 1000:.1f} ms, max {late[-1] * 1000:.1f} ms; "
                    f"memory {(gateway.resident_bytes() - before) / 1e6:+.1f} MB"
                )
    finally:
        child.terminate()
        child.wait()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--ramp", type=float, default=0.0, help="seconds over which the streams begin")
    parser.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.upstream:
        asyncio.run(serve_upstream(options.upstream))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("CHROMAGENT_TEST_RECORDINGS", None)
        measure(options.streams, options.ramp, Path(folder) / "gateway.log")


if __name__ == "__main__":
    main()
