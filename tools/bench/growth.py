"""How cost grows with what is asked and answered: processor time per request over sizes, and where it grows faster than they do."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from chromagent.codec import JsonObject
from tools.bench import batches, work
from tools.bench.batches import Work
from tools.bench.candidates import Bench, Subject, Target
from tools.bench.figures import Report, number, table
from tools.bench.upstream import Shape

BUDGET: Final = 0.25
"""Seconds of processor time for one batch."""
MOST: Final = 500
CONNECTIONS: Final = 8
MORE_THAN_LINEAR: Final = 1.2
"""From this exponent on: below it, noise alone can be the reason."""
FITTED: Final = 3
NOTICEABLE: Final = 1.2
"""How many times the cost of the smallest size tells from noise."""


class Axis(NamedTuple):
    """Something that can be large, and the sizes to try."""

    title: str
    unit: str
    sizes: Sequence[int]


PROMPT: Final = Axis("prompt", "kB", (1, 10, 100, 1000, 10_000))
HISTORY: Final = Axis("history", "message", (1, 10, 100, 500, 2000))
TOOLS: Final = Axis("tools", "tool", (1, 4, 16, 64, 128))
EVENTS: Final = Axis("stream in bursts of 25", "event", (10, 100, 1000, 10_000, 100_000))


@dataclass
class Curve:
    """Microseconds of processor time per request at each size of an axis."""

    axis: Axis
    rows: dict[Subject, list[float]] = field(default_factory=dict[Subject, list[float]])

    def exponent(self, subject: Subject) -> float | None:
        """Fit the cost above that of the smallest size to size^k, over the three largest sizes; None where it hardly grows."""
        smallest = self.rows[subject][0]
        pairs = [
            (math.log(size - self.axis.sizes[0]), math.log(cost - smallest))
            for size, cost in [*zip(self.axis.sizes, self.rows[subject], strict=True)][-FITTED:]
            if cost > NOTICEABLE * smallest
        ]
        return statistics.linear_regression(*zip(*pairs, strict=True)).slope if len(pairs) > 1 else None

    def text(self) -> str:
        """Write the table."""
        heads = [f"growth: {self.axis.title} [µs a request]", *(f"{size:,} {self.axis.unit}" for size in self.axis.sizes)]
        return table([*heads, f"µs per {self.axis.unit}", "exponent"], [self._row(subject) for subject in self.rows])

    def _row(self, subject: Subject) -> list[str]:
        costs = self.rows[subject]
        marginal = (costs[-1] - costs[0]) / (self.axis.sizes[-1] - self.axis.sizes[0])
        exponent = self.exponent(subject)
        verdict = "flat" if exponent is None else f"{exponent:.2f}" + " WORSE THAN LINEAR" * (exponent > MORE_THAN_LINEAR)
        return [str(subject), *map(number, costs), number(marginal), verdict]

    def document(self) -> dict[str, Any]:
        """Return the same for machines."""
        rows = {str(subject): {"values": costs, "exponent": self.exponent(subject)} for subject, costs in self.rows.items()}
        return {"title": f"growth: {self.axis.title}", "unit": "µs", "sizes": list(self.axis.sizes), "rows": rows}


def measure(bench: Bench, targets: Sequence[Target], report: Report) -> None:
    """Measure every axis; of each size the least of three batches counts, as noise only adds."""
    for axis in (PROMPT, HISTORY, TOOLS):
        _measure(axis, targets, report)
    curve = Curve(EVENTS)
    report.measures.append(curve)
    for size in EVENTS.sizes:
        shape = Shape(size, burst=25, pause=0.0)
        bench.shape(shape)
        for target in targets:
            curve.rows.setdefault(target.subject, []).append(_cost(Work(target, work.small(), 1, shape), report))


def _measure(axis: Axis, targets: Sequence[Target], report: Report) -> None:
    curve = Curve(axis)
    report.measures.append(curve)
    bodies = [_body(axis, size) for size in axis.sizes]
    for target in targets:
        curve.rows[target.subject] = [_cost(Work(target, body, CONNECTIONS), report) for body in bodies]


def _body(axis: Axis, size: int) -> JsonObject:
    if axis is PROMPT:
        text = work.SENTENCE * (size * 1000 // len(work.SENTENCE))
        return {"messages": [{"role": "user", "content": text}]}
    if axis is HISTORY:
        return {"messages": work.history(size)}
    return work.small() | {"tools": [work.tool(number) for number in range(size)]}


def _cost(one: Work, report: Report) -> float:
    first = batches.run(one, one.connections, report)
    count = max(1, min(MOST, int(BUDGET * first.count / max(first.cpu, 1e-4))))
    tries = 1 if first.cpu > 8 * BUDGET else 3
    costs = [batch.cpu / batch.count for batch in (batches.run(one, count, report) for _ in range(tries))]
    return min(costs) * 1e6
