"""Whole answers: what a request costs the server, how many it serves, and what it adds to the way of one."""

from collections.abc import Sequence
from typing import Final

from chromagent.codec import JsonObject
from tools.bench import batches, work
from tools.bench.batches import Work
from tools.bench.candidates import Target
from tools.bench.figures import Report, percentile

CASES: Final = {"small": work.small(), "20 messages, 5 tools": work.agent()}
CPU: Final = "unary, {}: CPU of the server per request"
CONNECTIONS: Final = 64
MOST: Final = 3000
ALONE: Final = 40
"""Requests one after the other, for latencies."""


def measure(targets: Sequence[Target], direct: Sequence[Target], report: Report, rounds: int) -> None:
    """Measure every candidate in every round."""
    for name, body in CASES.items():
        _measure_cost(name, body, targets, report, rounds)
        _measure_latency(name, body, [*direct, *targets], report, rounds)


def _measure_cost(name: str, body: JsonObject, targets: Sequence[Target], report: Report, rounds: int) -> None:
    cpu = report.measure(CPU.format(name), "µs")
    rate = report.measure(f"unary, {name}: requests per second of one core", "1/s")
    works = {target.subject: Work(target, body, CONNECTIONS) for target in targets}
    sizes = {subject: batches.size(one, report, first=30, most=MOST) for subject, one in works.items()}
    for number in range(rounds):
        for target in batches.rotate(targets, number):
            batch = batches.run(works[target.subject], sizes[target.subject], report)
            cpu.add(target.subject, batch.cpu / batch.count * 1e6)
            rate.add(target.subject, batch.count / batch.outcome.took)


def _measure_latency(name: str, body: JsonObject, targets: Sequence[Target], report: Report, rounds: int) -> None:
    """Measure one request at a time; `direct` asks the upstream itself, which is what the others are compared with."""
    median = report.measure(f"unary, {name}: latency added to direct calls, one at a time, p50", "ms")
    slowest = report.measure(f"unary, {name}: latency added to direct calls, one at a time, p99", "ms")
    for number in range(rounds):
        for target in batches.rotate(targets, number):
            latencies = batches.run(Work(target, body, 1), ALONE, report).outcome.latencies
            median.add(target.subject, percentile(latencies, 0.5) * 1e3)
            slowest.add(target.subject, percentile(latencies, 0.99) * 1e3)
    median.subtract_direct()
    slowest.subtract_direct()
