"""Mixed load with faults and disconnects on one gateway, for half an hour: does it stay as small as it was after its first minutes?

`python tools/soak.py [--minutes 30] [--rate 60] [--seed 1]`. Whole answers and streams, both vendors, three in ten with a fault of
the table that the tests run, two in ten of clients that leave. Everything stays on loopback and ends by itself. Memory and
descriptors are read every second; what counts is the line through the last two thirds.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import faulty_upstream, processes  # noqa: E402 - after the path
from tests.support.faulty_upstream import FaultyUpstream  # noqa: E402
from tests.support.processes import Server  # noqa: E402
from tests.trust.fault_table import FAULTS  # noqa: E402

MODELS: Final = ("gemini-3.8-flash", "claude-sonnet-4-6")
MIXED: Final = [name for name in FAULTS if "next request" not in name]
"""All but answers that nobody asked for: among many requests nobody can tell them from the answer to the next one."""
TIMEOUT: Final = 2.0
"""Seconds of a whole request in this gateway: what hangs is over soon."""
MOST_AT_ONCE: Final = 64
WARM_UP: Final = 1 / 3
MOST_GROWTH: Final = 8.0
"""Megabytes that the line may rise from the end of the warm-up to the end."""
MOST_DESCRIPTORS: Final = 10
HEAD: Final = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"


class Sample(NamedTuple):
    """What one look at the processes showed: seconds since the start, megabytes, open descriptors."""

    second: float
    resident: float
    descriptors: int


@dataclass
class Measured:
    """What one run saw."""

    seconds: float
    samples: list[Sample] = field(default_factory=list[Sample])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    """Answers that no request should get."""
    held: int = 0
    """Upstream answers that the gateway still held when all clients were gone."""

    def growth(self) -> tuple[float, float]:
        """Rise of the lines through memory (megabytes) and descriptors over the time after the warm-up."""
        seen = [sample for sample in self.samples if sample.second >= self.seconds * WARM_UP]
        seconds = [sample.second for sample in seen]
        window = seconds[-1] - seconds[0]
        memory = statistics.linear_regression(seconds, [sample.resident for sample in seen]).slope
        files = statistics.linear_regression(seconds, [float(sample.descriptors) for sample in seen]).slope
        return memory * window, files * window

    def faults(self) -> list[str]:
        """Say what is not as it should be."""
        memory, descriptors = self.growth()
        found = [f"wrong: {one}" for one in self.wrong[:10]]
        if memory > MOST_GROWTH:
            found.append(f"memory grew by {memory:.1f} MB")
        if descriptors > MOST_DESCRIPTORS:
            found.append(f"descriptors grew by {descriptors:.0f}")
        if self.held:
            found.append(f"{self.held} upstream answers are still held")
        return found

    def report(self) -> list[str]:
        """Tell the run in lines."""
        memory, descriptors = self.growth()
        first, last = self.samples[0], self.samples[-1]
        outcomes = ", ".join(f"{count} × {outcome}" for outcome, count in sorted(self.outcomes.items()))
        return [
            f"{self.outcomes.total()} requests in {self.seconds:.0f} s: {outcomes}",
            f"memory {first.resident:.1f} → {last.resident:.1f} MB, its line after the warm-up {memory:+.2f} MB",
            f"descriptors {first.descriptors} → {last.descriptors}, their line after the warm-up {descriptors:+.1f}",
        ]


class Load:
    """The clients of one run."""

    def __init__(self, server: Server, upstream: FaultyUpstream, measured: Measured, seed: int) -> None:
        self._server = server
        self._upstream = upstream
        self._measured = measured
        self._chance = random.Random(seed)  # noqa: S311 - load, not secrets
        self._number = 0
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, rate: float) -> None:
        """Begin requests at a rate until the time is over, looking at the processes every second."""
        start, looked = time.monotonic(), -1.0
        while (now := time.monotonic() - start) < self._measured.seconds:
            if now - looked >= 1:
                looked = now
                self._measured.samples.append(Sample(now, self._server.resident_bytes() / 1e6, self._server.open_files()))
            await self._places.acquire()
            task = asyncio.create_task(self._one())
            self._running.add(task)
            task.add_done_callback(self._finished)
            await asyncio.sleep(self._chance.expovariate(rate))
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._settle()

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._places.release()
        if error := task.exception():
            self._measured.wrong.append(repr(error))

    async def _settle(self) -> None:
        """Give the gateway a moment to let go of what nobody waits for."""
        for _ in range(100):
            if not self._upstream.busy:
                return
            await asyncio.sleep(0.05)
        self._measured.held = len(self._upstream.busy)

    async def _one(self) -> None:
        self._number += 1
        case = f"s{self._number}"
        fault = self._chance.choice(MIXED) if self._chance.random() < 0.3 else ""
        stream = self._chance.random() < 0.6
        patience = self._chance.random() * 0.1 if self._chance.random() < 0.2 else None
        message = {"role": "user", "content": f"fault: {fault}; case {case}"}
        body = {"model": self._chance.choice(MODELS), "messages": [message], "stream": stream}
        answer = await self._ask(json.dumps(body).encode(), patience)
        self._judge(answer, f"Hello-{case}", good=not fault)

    async def _ask(self, body: bytes, patience: float | None) -> bytes:
        """Send one request and read its answer, or leave after so many seconds; empty for who left."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port, limit=2**26)
        try:
            writer.write(f"{HEAD}content-length: {len(body)}\r\n\r\n".encode() + body)
            async with asyncio.timeout(TIMEOUT * 10 if patience is None else patience):
                return await reader.read()
        except TimeoutError:
            if patience is None:
                raise
            return b""
        finally:
            writer.transport.abort()

    def _judge(self, answer: bytes, word: str, *, good: bool) -> None:
        status = answer[9:12].decode() or "left"
        broken = b'data: {"error"' in answer
        self._measured.outcomes[f"{status}, then an error" if broken else status] += 1
        text = b"".join(part.partition(b'"')[0] for part in answer.split(b'"content":"')[1:])
        if b"internal_error" in answer or (good and answer and (status != "200" or broken)):
            self._measured.wrong.append(answer[-300:].decode("utf-8", "replace"))
        elif status == "200" and not broken and text != word.encode():
            self._measured.wrong.append(f"{text!r} instead of {word!r}")


def run(seconds: float, rate: float, seed: int) -> Measured:
    """Start gateway and upstream, make the load, end both."""
    measured = Measured(seconds)
    scripts = {name: fault.script for name, fault in FAULTS.items()}
    with faulty_upstream.serving(scripts) as upstream, tempfile.TemporaryDirectory() as folder:
        backend = {"base_url": upstream.url, "auth": "none", "project": "p"}
        configuration: dict[str, Any] = {
            "allow_anonymous": True,
            "timeout": TIMEOUT,
            "max_retries": 1,
            "rate_limit": {"concurrent_per_key": 100},
            "backends": {"vertex-gemini": backend, "vertex-anthropic": backend},
        }
        with processes.function("chat_completions", configuration, Path(folder) / "log") as server:
            asyncio.run(Load(server, upstream, measured, seed).run(rate))
    return measured


def main() -> int:
    """Read the command line; the exit status is 1 where something grew or went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=60.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    measured = run(options.minutes * 60, options.rate, options.seed)
    print("\n".join([*measured.report(), *(measured.faults() or ["as small as it was"])]))
    return int(bool(measured.faults()))


if __name__ == "__main__":
    sys.exit(main())
