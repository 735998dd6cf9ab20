"""The gateway on a loopback port, served by uvicorn in a thread of this process, so that a test can look inside while it serves."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from chromagent.app import create_app
from chromagent.config import Settings
from chromagent.gateway import GatewayStream
from chromagent.providers.exchange import VertexExchange
from chromagent.upstream.client import UpstreamClient
from tests.support.processes import free_port


@dataclass
class ThreadedGateway:
    """A running gateway."""

    port: int
    loops: list[asyncio.AbstractEventLoop] = field(default_factory=list[asyncio.AbstractEventLoop])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tasks(self) -> int:
        """Tasks of its event loop, whatever they wait for."""
        return len(asyncio.all_tasks(self.loops[0]))

    def let_go(self) -> None:
        """Close the connections that wait for work: a loop that ends with open ones complains, in whatever test runs then."""
        clients = [thing for thing in gc.get_objects() if isinstance(thing, UpstreamClient)]
        for loop in self.loops:
            for client in (client for client in clients if client._loop is loop):
                asyncio.run_coroutine_threadsafe(client.close(), loop).result(5)
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result(5)

    @staticmethod
    def exchanges() -> int:
        """Requests and streams that something still holds on to."""
        gc.collect()
        return sum(isinstance(thing, VertexExchange | GatewayStream) for thing in gc.get_objects())


@contextmanager
def serving(configured: Settings) -> Iterator[ThreadedGateway]:
    """Serve with the loop and the parser that the functions have."""
    gateway = ThreadedGateway(free_port())
    app: Any = create_app(configured)

    async def noting_its_loop(scope: Any, receive: Any, send: Any) -> None:
        if not gateway.loops:
            gateway.loops.append(asyncio.get_running_loop())
        await app(scope, receive, send)

    server = uvicorn.Server(
        uvicorn.Config(
            noting_its_loop, host="127.0.0.1", port=gateway.port, log_level="warning", lifespan="off", timeout_keep_alive=2
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            threading.Event().wait(0.02)
        yield gateway
    finally:
        gateway.let_go()
        server.should_exit = server.force_exit = True
        thread.join(10)
