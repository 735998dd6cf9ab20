"""Figures and the tables they are told in. A ratio is the median of the ratios within each round: what disturbs the machine for a
while disturbs both sides of it.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tools.bench.candidates import Subject

REFERENCES: Final = ("floor", "gateway")


@dataclass
class Measure:
    """One quantity of several candidates, a value for each round."""

    title: str
    unit: str
    references: Sequence[str] = REFERENCES
    """What the others are compared with."""
    rows: dict[Subject, list[float]] = field(default_factory=dict[Subject, list[float]])

    def add(self, subject: Subject, value: float) -> None:
        """Note a value of the present round."""
        self.rows.setdefault(subject, []).append(value)

    def ratio(self, subject: Subject, reference: Subject) -> float | None:
        """Return how many times the reference this is; None where one was not measured or is not above nought."""
        own, other = self.rows.get(subject), self.rows.get(reference)
        if subject == reference or not own or not other or min(other) <= 0:
            return None
        if len(own) == len(other):
            return statistics.median(one / two for one, two in zip(own, other, strict=True))
        return statistics.median(own) / statistics.median(other)

    def subtract_direct(self) -> None:
        """Leave what each candidate adds to asking the upstream itself; that stays a row of its own."""
        for subject, values in self.rows.items():
            direct = self.rows.get(Subject("direct", subject.wire))
            if direct and subject.who != "direct":
                values[:] = [value - base for value, base in zip(values, direct, strict=True)]

    def text(self) -> str:
        """Write the table."""
        heads = [f"{self.title} [{self.unit}]", "min", "median", "max", *(f"x {name}" for name in self.references)]
        return table(heads, [self._row(subject, values) for subject, values in self.rows.items()])

    def _row(self, subject: Subject, values: Sequence[float]) -> list[str]:
        ratios = [self.ratio(subject, Subject(name, subject.wire)) for name in self.references]
        spread = (min(values), statistics.median(values), max(values))
        return [str(subject), *map(number, spread), *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios)]

    def document(self) -> dict[str, Any]:
        """Return the same for machines, every value included."""
        rows = {
            str(subject): {"values": values}
            | {f"x_{name}": self.ratio(subject, Subject(name, subject.wire)) for name in self.references}
            for subject, values in self.rows.items()
        }
        return {"title": self.title, "unit": self.unit, "rows": rows}


class Told(Protocol):
    """A part of the report."""

    @property
    def rows(self) -> Mapping[Subject, Sequence[float]]:
        """What was measured; a table without rows is left out."""
        ...

    def text(self) -> str:
        """Write a table."""
        ...

    def document(self) -> dict[str, Any]:
        """Return the same for machines."""
        ...


@dataclass
class Report:
    """What a run found, in the order of its finding."""

    measures: list[Told] = field(default_factory=list[Told])
    notes: list[str] = field(default_factory=list[str])

    def measure(self, title: str, unit: str, *references: str) -> Measure:
        """Open a measure."""
        measure = Measure(title, unit, references or REFERENCES)
        self.measures.append(measure)
        return measure

    def note(self, text: str) -> None:
        """Say something that belongs to the figures."""
        self.notes.append(text)

    def text(self) -> str:
        """Write all tables, then the notes."""
        return "\n\n".join([measure.text() for measure in self.measures if measure.rows] + [f"! {note}" for note in self.notes])

    def document(self) -> dict[str, Any]:
        """Return the same for machines."""
        return {"measures": [measure.document() for measure in self.measures], "notes": self.notes}


def number(value: float) -> str:
    """Write three significant digits."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 4)}f}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align a table that is also Markdown."""
    widths = [max(len(line[column]) for line in (heads, *rows)) for column in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *others])} |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if place else "-") for place, width in enumerate(widths)) + "|"
    return "\n".join([line(heads), rule, *map(line, rows)])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of all lies; nought of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0
