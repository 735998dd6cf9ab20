"""The processes of `chromagent run`: started together, ended together. Hides ports, readiness and clean-up."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

import chromagent

MAIN: Final = Path(chromagent.__file__).parent.parent / "functions" / "main.py"
READY_WITHIN: Final = 60.0
GRACE: Final = 8.0
"""Seconds that a process gets to end by itself."""


class StartError(Exception):
    """Something cannot start; the text is one line for the person at the terminal."""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """Raise `StartError` if something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartError(f"port {port} cannot be used ({error.strerror}): choose another one with PORT=…") from error


def function_command(target: str, port: int) -> list[str]:
    """Return the command that serves one function the way the platform does."""
    if not MAIN.is_file():
        raise StartError("functions/main.py is not beside the package: run this from a checkout of the repository")
    where = ["--source", str(MAIN), "--target", target, "--host", "127.0.0.1", "--port", str(port)]
    return [sys.executable, "-m", "functions_framework", *where]


@asynccontextmanager
async def running(commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> "AsyncGenerator[Supervisor]":
    """Start all commands; on leaving, end all of them."""
    supervisor = Supervisor()
    try:
        for name, command in commands.items():
            await supervisor.start(name, command, environment)
        yield supervisor
    finally:
        await supervisor.stop()


class Supervisor:
    """The child processes. Each leads a group of its own, so that Ctrl-C reaches them through us and in order."""

    def __init__(self) -> None:
        self._children: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start one process."""
        self._children[name] = await asyncio.create_subprocess_exec(*command, env=dict(environment), start_new_session=True)

    async def first_death(self) -> str:
        """Wait until one process ends, and say which."""
        waits = {asyncio.ensure_future(child.wait()): name for name, child in self._children.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        ended = next(iter(done))
        return f"{waits[ended]} ended with status {ended.result()}"

    async def ready(self, urls: Sequence[str]) -> None:
        """Wait until every address answers. Raises `StartError` when a process ends before, or it takes too long."""
        death = asyncio.ensure_future(self.first_death())
        answers = asyncio.ensure_future(_all_answer(urls))
        try:
            await asyncio.wait({death, answers}, timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
            if not answers.done():
                raise StartError(death.result() if death.done() else f"not ready after {READY_WITHIN:.0f} seconds")
        finally:
            death.cancel()
            answers.cancel()

    async def stop(self) -> None:
        """Ask all to end, then insist. A group outlives its leader: the workers of a process that died are ended too."""
        children = list(self._children.values())
        for child in children:
            _signal_group(child, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await asyncio.gather(*(child.wait() for child in children))
        for child in children:
            _signal_group(child, signal.SIGKILL)
            await child.wait()


def _signal_group(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


async def _all_answer(urls: Sequence[str]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for url in urls:
            while not await _answers(client, url):
                await asyncio.sleep(0.05)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.TransportError:
        return False
