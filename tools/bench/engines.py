"""What an HTTP engine costs under the upstream client: CPU a request and an event, memory an open stream, import.

`uv run --with httpx-aiohttp python tools/bench/engines.py`. Each candidate is a process of its own; they take turns, so that a
noisy moment of the machine hits all. Figures are CPU time of the client's process: median (least-most), and ratios to our own
engine. The upstream is a bare protocol on loopback. Without httpx-aiohttp its candidates are left out.
"""

# ruff: noqa: PLC0415 - each candidate imports what it measures, and nothing of the others

import argparse
import asyncio
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

EVENTS = 100
EVENT = b'data: {"candidates":[{"content":{"role":"model","parts":[{"text":"word "}]}}],"responseId":"r"}\r\n\r\n'
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ANSWER = b'{"candidates":[{"content":{"parts":[{"text":"%b"}]},"finishReason":"STOP"}]}' % (b"hello " * 150)
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nvary: Origin\r\nserver: x\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
BODY = b'{"contents":[{"role":"user","parts":[{"text":"%b"}]}]}' % (b"hello " * 150)
HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "accept": "application/json",
    "accept-encoding": "identity",
    "authorization": "Bearer " + "t" * 200,
}
DEPLOYED = ("functions_framework.aio", "uvicorn", "uvloop", "httptools", "google.auth.credentials", "msgspec")
"""What a worker has imported anyway when it comes to the engine."""
UNDEPLOYED = ("pygments", "trio")
"""Tools of developers, which httpx and httpcore would import where they are installed."""
MEASURES = {
    "unary, 1 connection": ("unary", 1),
    "unary, 64 connections": ("unary", 64),
    "event, paced": ("paced", 16),
    "event, burst": ("burst", 1),
}


class Upstream(asyncio.Protocol):
    """Answers by the path: a document, events one by one, events all at once, or an event and then silence."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.missing = 0

    def data_received(self, data: bytes) -> None:
        if not self.missing:
            head, _, rest = data.partition(b"\r\n\r\n")
            self.path = head.split(b" ", 2)[1]
            self.missing = len(BODY)
            data = rest
        self.missing -= len(data)
        if not self.missing:
            self.answer()

    def answer(self) -> None:
        if self.path == b"/unary":
            self.transport.write(REPLY)
        elif self.path == b"/burst":
            self.transport.write(STREAM_HEAD + CHUNK * EVENTS + b"0\r\n\r\n")
        else:
            self.transport.write(STREAM_HEAD + CHUNK)
            if self.path == b"/paced":
                self.pace(EVENTS - 1)

    def pace(self, left: int) -> None:
        self.transport.write(CHUNK if left else b"0\r\n\r\n")
        if left:
            asyncio.get_running_loop().call_later(0.002, self.pace, left - 1)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


Stream = Callable[[str], Any]


def own() -> Stream:
    """Our pool under the upstream client, as deployed. Others open what they trust at once, so it counts here too."""
    from chromagent.upstream.client import UpstreamClient, UpstreamRequest
    from chromagent.upstream.tls import open_trust

    client = UpstreamClient()
    open_trust()

    @asynccontextmanager
    async def stream(url: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        answer = await client.send(UpstreamRequest(url, HEADERS, BODY, 60.0))

        async def reads() -> AsyncIterator[bytes]:
            while read := await answer.read():
                yield read

        try:
            yield reads()
        finally:
            await answer.close()

    return stream


def own_under_httpx() -> Stream:
    """Our pool as a transport of httpx's client: what httpx's own objects cost."""
    import httpx

    from chromagent.upstream.engine import Answer, UpstreamRequest
    from chromagent.upstream.pool import ConnectionPool
    from chromagent.upstream.tls import open_trust

    open_trust()

    class Body(httpx.AsyncByteStream):
        def __init__(self, answer: Answer) -> None:
            self.answer = answer
            self.aclose = answer.close

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while piece := await self.answer.read():
                yield piece

    class Transport(httpx.AsyncBaseTransport):
        pool = ConnectionPool()

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await self.pool.send(UpstreamRequest(str(request.url), request.headers, await request.aread(), 60.0))
            return httpx.Response(answer.status, headers=dict(answer.headers), stream=Body(answer))

    return of_httpx_client(Transport())


def httpcore() -> Stream:
    """httpx as it comes."""
    return of_httpx_client(None)


def httpcore_bare() -> Stream:
    """httpx's transport without its client."""
    import httpx

    return of_httpx_transport(httpx.AsyncHTTPTransport(trust_env=False, limits=limits()))


def aiohttp() -> Stream:
    """httpx over aiohttp."""
    from httpx_aiohttp import AiohttpTransport  # pyright: ignore

    return of_httpx_client(AiohttpTransport(trust_env=False, limits=limits()))


def aiohttp_bare() -> Stream:
    """aiohttp as a transport, without httpx's client."""
    from httpx_aiohttp import AiohttpTransport  # pyright: ignore

    return of_httpx_transport(AiohttpTransport(trust_env=False, limits=limits()))


CANDIDATES = {
    "own": own,
    "own under httpx": own_under_httpx,
    "httpx-aiohttp transport": aiohttp_bare,
    "httpx-aiohttp": aiohttp,
    "httpcore transport": httpcore_bare,
    "httpx": httpcore,
}


def limits() -> Any:
    import httpx

    return httpx.Limits(max_connections=10_000, max_keepalive_connections=100, keepalive_expiry=60)


def of_httpx_client(transport: Any) -> Stream:
    import httpx

    client = httpx.AsyncClient(transport=transport, trust_env=False, limits=limits(), timeout=60)

    @asynccontextmanager
    async def stream(url: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        answer = await client.send(client.build_request("POST", url, headers=HEADERS, content=BODY), stream=True)
        try:
            yield answer.aiter_raw()
        finally:
            await answer.aclose()

    return stream


def of_httpx_transport(transport: Any) -> Stream:
    import httpx

    timeout = {"timeout": httpx.Timeout(60).as_dict()}

    @asynccontextmanager
    async def stream(url: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        answer = await transport.handle_async_request(httpx.Request("POST", url, headers=HEADERS, content=BODY, extensions=timeout))
        try:
            yield aiter(answer.stream)
        finally:
            await answer.aclose()

    return stream


def _be_silent(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    del loop, context


async def work(name: str, base: str) -> None:
    """Obey the lines of standard input: `path concurrency rounds` gives CPU µs a request, `open count` bytes a stream."""
    stream = CANDIDATES[name]()
    loop = asyncio.get_running_loop()

    async def ask(path: str) -> int:
        size = 0
        async with stream(f"{base}/{path}") as reads:
            async for piece in reads:
                size += len(piece)
        return size

    async def some(path: str, rounds: int) -> None:
        expected = len(ANSWER) if path == "unary" else EVENTS * len(EVENT)
        for _ in range(rounds):
            if await ask(path) != expected:
                raise SystemExit(f"{name}: an answer of another size")

    async def hold(ready: asyncio.Semaphore, over: asyncio.Event) -> None:
        async with stream(f"{base}/silent") as reads:
            await anext(reads)
            ready.release()
            await over.wait()

    loop.set_exception_handler(_be_silent)  # aiohttp speaks of what is open at the end
    await some("unary", 1)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        path, count, rounds = line.split()
        if path == "open":
            ready, over, before = asyncio.Semaphore(0), asyncio.Event(), resident()
            tasks = [loop.create_task(hold(ready, over)) for _ in range(int(count))]
            for _ in tasks:
                await asyncio.wait_for(ready.acquire(), 60)
            print((resident() - before) / len(tasks), flush=True)
            over.set()
            await asyncio.gather(*tasks)
        else:
            start = time.process_time()
            await asyncio.gather(*(some(path, int(rounds)) for _ in range(int(count))))
            print((time.process_time() - start) * 1e6 / int(count) / int(rounds), flush=True)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def begin(name: str, base: str) -> None:
    """Say what importing and opening the candidate cost a worker that has the rest, then work."""
    for module in UNDEPLOYED:
        sys.modules[module] = None  # pyright: ignore[reportArgumentType] - so that importing it fails
    for module in DEPLOYED:
        importlib.import_module(module)
    import uvloop  # pyright: ignore

    start, before = time.process_time(), resident()
    CANDIDATES[name]()
    print(json.dumps([(time.process_time() - start) * 1e3, (resident() - before) / 1e6]), flush=True)
    uvloop.run(work(name, base))


class Candidate:
    """The process of one candidate."""

    def __init__(self, name: str, base: str) -> None:
        command = [sys.executable, __file__, "--candidate", name, "--base", base]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.opening: list[float] = json.loads(self.read())

    def read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a candidate ended")
        return line

    def ask(self, command: str) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return float(self.read())

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


def show(title: str, figures: dict[str, list[float]], unit: str) -> None:
    print(f"\n{title}")
    own = statistics.median(figures["own"])
    for name, found in figures.items():
        median = statistics.median(found)
        print(f"  {name:<24} {median:9.1f} {unit}  ({min(found):.1f}-{max(found):.1f})  {median / own:6.2f} ×")


def measure(base: str, names: list[str], rounds: int, streams: int) -> None:
    """Ask all candidates in turn, round after round."""
    found: dict[str, dict[str, list[float]]] = {title: {name: [] for name in names} for title in MEASURES}
    imports: dict[str, list[float]] = {name: [] for name in names}
    opened: dict[str, list[float]] = {name: [] for name in names}
    held: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(3):
        running = {name: Candidate(name, base) for name in names}
        for name, candidate in running.items():
            imports[name].append(candidate.opening[0])
            opened[name].append(candidate.opening[1])
        for turn in range(rounds + 1):
            for title, (path, count) in MEASURES.items():
                for name, candidate in running.items():
                    cost = candidate.ask(f"{path} {count} {max(4, 128 // count) if path == 'unary' else 4}")
                    if turn:  # the first warms up
                        found[title][name].append(cost if path == "unary" else cost / EVENTS)
        for name, candidate in running.items():
            held[name].append(candidate.ask(f"open {streams} 1") / 1e3)
            candidate.end()
    show("import and open, CPU", imports, "ms")
    show("import and open, memory", opened, "MB")
    for title, figures in found.items():
        show(f"{title}, CPU", figures, "µs")
    show(f"memory of one of {streams} open streams", held, "kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--candidate", help=argparse.SUPPRESS)
    parser.add_argument("--base", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.candidate == "upstream":
        import uvloop  # pyright: ignore

        uvloop.run(serve())
    elif options.candidate:
        begin(options.candidate, options.base)
    else:
        with subprocess.Popen([sys.executable, __file__, "--candidate", "upstream"], stdout=subprocess.PIPE, text=True) as upstream:
            assert upstream.stdout is not None
            try:
                there = importlib.util.find_spec("httpx_aiohttp") is not None
                names = [name for name in CANDIDATES if there or "aiohttp" not in name]
                measure(f"http://127.0.0.1:{int(upstream.stdout.readline())}", names, options.rounds, options.streams)
            finally:
                upstream.terminate()


if __name__ == "__main__":
    main()
