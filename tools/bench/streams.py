"""Streams: what a relayed event costs, when the first arrives, and what many open streams hold and how late their events come."""

import asyncio
import contextlib
import resource
from collections.abc import Sequence
from typing import Final

import uvloop

from tools.bench import batches, load, work
from tools.bench.batches import Work
from tools.bench.candidates import Bench, Target
from tools.bench.figures import Report, percentile
from tools.bench.upstream import Shape

EVENTS: Final = 100
PACED: Final = Shape(EVENTS, burst=1, pause=0.02)
PACED_STREAMS: Final = 20
BURSTS: Final = Shape(EVENTS, burst=25, pause=0.004)
BURST_STREAMS: Final = 32
MOST_BURSTS: Final = 1000
SHORT: Final = Shape(2, burst=1, pause=0.001)
OPEN: Final = Shape(24, burst=1, pause=0.25, stamped=True)
PACED_CPU: Final = f"streams of {EVENTS} events, one at a time: CPU of the server per event"
BURST_CPU: Final = f"streams of {EVENTS} events, in bursts of {BURSTS.burst}: CPU of the server per event"
DELAY: Final = "{} open streams: delay of an event added to direct calls, p99"
MEMORY: Final = "{} open streams: memory per open stream"
FAILED: Final = "{} open streams: failed"
TOGETHER: Final = "{} open streams: open at the same time, at most"
RAMPS: Final = {100: 1.0, 1000: 3.0}
"""Seconds over which so many streams are opened."""


def measure(bench: Bench, targets: Sequence[Target], direct: Sequence[Target], report: Report, rounds: int) -> None:
    """Measure what events cost, and when the first one comes if nothing else is going on."""
    _measure_paced(bench, targets, report, rounds)
    _measure_bursts(bench, targets, report, rounds)
    _measure_first_byte(bench, [*direct, *targets], report, rounds)


def _measure_paced(bench: Bench, targets: Sequence[Target], report: Report, rounds: int) -> None:
    cpu = report.measure(PACED_CPU, "µs")
    bench.shape(PACED)
    for number in range(rounds):
        for target in batches.rotate(targets, number):
            batch = batches.run(Work(target, work.small(), PACED_STREAMS, PACED), PACED_STREAMS, report)
            cpu.add(target.subject, batch.cpu / batch.count / EVENTS * 1e6)


def _measure_bursts(bench: Bench, targets: Sequence[Target], report: Report, rounds: int) -> None:
    cpu = report.measure(BURST_CPU, "µs")
    bench.shape(BURSTS)
    works = {target.subject: Work(target, work.small(), BURST_STREAMS, BURSTS) for target in targets}
    sizes = {subject: batches.size(one, report, first=BURST_STREAMS, most=MOST_BURSTS) for subject, one in works.items()}
    for number in range(rounds):
        for target in batches.rotate(targets, number):
            batch = batches.run(works[target.subject], sizes[target.subject], report)
            cpu.add(target.subject, batch.cpu / batch.count / EVENTS * 1e6)


def _measure_first_byte(bench: Bench, targets: Sequence[Target], report: Report, rounds: int) -> None:
    first = report.measure("1 open stream: time to the first byte added to direct calls, p50", "ms")
    bench.shape(SHORT)
    for number in range(rounds):
        for target in batches.rotate(targets, number):
            outcome = batches.run(Work(target, work.small(), 1, SHORT), 20, report).outcome
            first.add(target.subject, percentile(outcome.first_bytes, 0.5) * 1e3)
    first.subtract_direct()


def measure_open(bench: Bench, candidates: Sequence[str], report: Report, rounds: int) -> None:
    """Measure first bytes, delays and memory while 100 and 1,000 streams are open, each time on servers just started.

    LiteLLM is spared the thousand.
    """
    bench.shape(OPEN)
    for count in RAMPS:
        tables = Tables(report, count)
        for _ in range(rounds):
            for name in candidates:
                if name != "litellm" or count == 100:
                    _measure_started(bench, name, count, tables, report)
        tables.first.subtract_direct()
        tables.late.subtract_direct()


class Tables:
    """The tables of so many open streams."""

    def __init__(self, report: Report, count: int) -> None:
        self.first = report.measure(f"{count:,} open streams: time to the first byte added to direct calls, p50", "ms")
        self.late = report.measure(DELAY.format(f"{count:,}"), "ms")
        self.memory = report.measure(MEMORY.format(f"{count:,}"), "kB")
        self.together = report.measure(TOGETHER.format(f"{count:,}"), "streams")
        self.failed = report.measure(FAILED.format(f"{count:,}"), "streams")


def _measure_started(bench: Bench, name: str, count: int, tables: Tables, report: Report) -> None:
    """Measure on a server of its own: memory with the first streams that it has, the other wire format after them."""
    with bench.start(name) as targets:
        for target in targets if name in ("direct", "gateway") else targets[:1]:
            outcome, taken = _open(target, count, report)
            tables.first.add(target.subject, percentile(outcome.first_bytes, 0.5) * 1e3)
            tables.late.add(target.subject, percentile(outcome.delays, 0.99) * 1e3)
            tables.together.add(target.subject, outcome.most_open())
            tables.failed.add(target.subject, outcome.errors)
            if target is targets[0] and name != "direct":
                tables.memory.add(target.subject, taken / max(1, outcome.most_open()) / 1e3)


def _open(target: Target, count: int, report: Report) -> tuple[load.Outcome, int]:
    """Open so many streams; return what was seen of them, and how much memory they took at most, in bytes."""
    request = target.request(work.small(), stream=True)
    batches.run(Work(target, work.small(), 10), 100, report)
    before = target.process.resident_bytes()
    outcome, memory = uvloop.run(_watch(target, request, count, RAMPS[count]))
    if outcome.errors:
        report.note(f"{target.subject}: {outcome.errors} of {count} open streams failed")
    return outcome, memory - before


async def _watch(target: Target, request: bytes, count: int, ramp: float) -> tuple[load.Outcome, int]:
    """Open the streams, and look at the server's memory meanwhile."""
    most = 0

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, target.process.resident_bytes())
            await asyncio.sleep(0.2)

    looking = asyncio.create_task(look())
    outcome = await load.open_streams(target.process.port, request, target.check(OPEN), count=count, ramp=ramp)
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
    return outcome, most


def allow_descriptors(count: int) -> None:
    """Let this process, and what it starts, open that many files. Raises `ValueError` where the machine forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
