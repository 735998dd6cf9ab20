"""Batches of requests that cost every candidate about the same time, however slow it is: how large one is, a first one tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import uvloop

from chromagent.codec import JsonObject
from tools.bench import load
from tools.bench.candidates import Target
from tools.bench.figures import Report
from tools.bench.upstream import Shape

LEAST: Final = 20
BUDGET: Final = 0.4
"""Seconds of the server's processor time that a batch aims at."""


class Work(NamedTuple):
    """What is asked, of whom, over how many connections; a stream if there is a shape."""

    target: Target
    body: JsonObject
    connections: int
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch cost the server, in seconds of its processor, and what the clients saw."""

    count: int
    cpu: float
    outcome: load.Outcome


def run(work: Work, count: int, report: Report) -> Batch:
    """Run a batch; what went wrong goes into the report."""
    target = work.target
    request = target.request(work.body, stream=work.shape is not None)
    before = target.process.cpu_seconds()
    outcome = uvloop.run(
        load.closed_loop(target.process.port, request, target.check(work.shape), count=count, connections=work.connections)
    )
    if outcome.errors:
        report.note(f"{target.subject}: {outcome.errors} of {count} answers failed")
    return Batch(count, target.process.cpu_seconds() - before, outcome)


def size(work: Work, report: Report, *, first: int, most: int) -> int:
    """Warm the server up with two batches and return how many requests the budget allows."""
    run(work, first, report)
    batch = run(work, first, report)
    return max(LEAST, min(most, int(BUDGET / batch.cpu * first)))


def rotate(targets: Sequence[Target], number: int) -> list[Target]:
    """Begin each round with another candidate."""
    place = number % len(targets)
    return [*targets[place:], *targets[:place]]
