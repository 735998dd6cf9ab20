"""Real servers for tests: functions-framework with our functions, on loopback ports, ended with the test session."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from chromagent import codec

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """A running process that listens."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def resident_bytes(self) -> int:
        """Resident memory of the process and its children."""
        pids = [self.process.pid, *_children(self.process.pid)]
        return sum(_resident(pid) for pid in pids)

    def open_files(self) -> int:
        """Descriptors of the process and its children."""
        pids = [self.process.pid, *_children(self.process.pid)]
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


@contextmanager
def running(command: list[str], port: int, health: str, log: Path, *, folder: Path = ROOT, **environment: str) -> Iterator[Server]:
    """Run a command until its address answers; end it afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment() | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, port, log)
    try:
        _wait_until_ready(server, health)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def function(target: str, configuration: Mapping[str, object], log: Path):
    """Serve one function by functions-framework, configured by a document only."""
    port = free_port()
    command = [sys.executable, "-m", "functions_framework", "--source", "functions/main.py", "--target", target]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    return running(command, port, "/health", log, CHROMAGENT_CONFIG_JSON=codec.encode_text(configuration))


def simulated_vertex(log: Path, words_per_second: float = 0):
    """Serve the simulated Vertex."""
    port = free_port()
    command = [sys.executable, "-m", "chromagent.local.vertex", "--port", str(port), "--words-per-second", str(words_per_second)]
    return running(command, port, "/_simulated/stats", log)


def clean_environment() -> dict[str, str]:
    """The environment without this project's and Google's own settings, so that only what a test sets counts."""
    unwanted = ("CHROMAGENT_", "GOOGLE_", "GCLOUD_", "FUNCTION_", "PORT")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def _wait_until_ready(server: Server, health: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended: {server.log.read_text()[-2000:]}")
        try:
            if httpx.get(f"{server.url}{health}", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"the server is not ready: {server.log.read_text()[-2000:]}")


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
