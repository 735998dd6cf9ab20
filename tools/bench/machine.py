"""Cores and processes under measurement. Hides how a process is pinned, and how Linux tells what a process tree has used."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.processes import clean_environment

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = Path(sys.executable)
READY_WITHIN: Final = 120.0
"""Seconds."""


class Cores(NamedTuple):
    """Where the load generator and the fake upstream run, and where the server under test does."""

    load: int
    server: int

    @property
    def apart(self) -> bool:
        """Whether the harness leaves the server a core of its own."""
        return self.load != self.server


def choose_cores() -> Cores:
    """Take the first and the last core that this process may use; with one core alone both are the same."""
    cores = sorted(os.sched_getaffinity(0))
    return Cores(cores[0], cores[-1])


@dataclass(frozen=True)
class Process:
    """A running process and the port it was told to listen on."""

    pid: int
    port: int
    handle: "subprocess.Popen[bytes]"
    log: Path

    def cpu_seconds(self) -> float:
        """Processor time of the whole tree so far, exact to the nanosecond, ended threads included."""
        return sum(_cpu_clock(pid) for pid in tree(self.pid))

    def resident_bytes(self) -> int:
        """Resident memory of the whole tree; pages shared by two processes count twice, as instances' limits count them once."""
        return sum(_memory(pid, "Rss") for pid in tree(self.pid))

    def proportional_bytes(self) -> int:
        """Memory of the whole tree with shared pages counted once."""
        return sum(_memory(pid, "Pss") for pid in tree(self.pid))

    def worker_bytes(self) -> int:
        """Resident memory of the youngest process of the tree: the one that serves."""
        return _memory(tree(self.pid)[-1], "Rss")


@contextlib.contextmanager
def process(
    command: Sequence[str], core: int, port: int, folder: Path, log: Path, environment: Mapping[str, str]
) -> Generator[Process]:
    """Start a command on one core; end it, and whatever it started, afterwards."""
    with log.open("wb") as output, pinned(core):
        handle = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment() | dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Process(handle.pid, port, handle, log)
    finally:
        _end(handle)


@contextlib.contextmanager
def pinned(core: int) -> Generator[None]:
    """Bind this process to one core for a while; what it starts meanwhile stays bound."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it, oldest first."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    return found


def function_command(source: str, target: str, port: int) -> list[str]:
    """Serve a function as the platform does: the framework picks uvloop and httptools up where they are installed."""
    command = [str(PYTHON), "-m", "functions_framework", "--source", source, "--target", target]
    return [*command, "--host", "127.0.0.1", "--port", str(port)]


def _end(handle: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, then end whatever is left of the session that was opened for it."""
    handle.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        handle.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(handle.pid, signal.SIGKILL)
    handle.wait()


def _cpu_clock(pid: int) -> float:
    """Read a process's CPU clock; its number is made of the process id (clock_getcpuclockid(3))."""
    with contextlib.suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def _memory(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0
