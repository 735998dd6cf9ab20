"""What is to be reached, and whether this run did: the last table. A goal that the run did not measure is left out.

Of two wire formats the worse counts. The figure of TensorZero was measured on another day and stands for its order only.
"""

import statistics
from collections.abc import Callable
from typing import Final, NamedTuple

from tools.bench import coldstart, streams, unary
from tools.bench.candidates import Subject
from tools.bench.canned import Wire
from tools.bench.figures import Measure, Report, number, table

WIRES: Final[tuple[Wire, ...]] = ("gemini", "claude")
Find = Callable[[Report], float | None]


class Goal(NamedTuple):
    """A figure, how to find it in the report, and how far it may go."""

    what: str
    unit: str
    limit: float
    find: Find
    at_least: bool = False


def ratio(title: str, reference: str) -> Find:
    """The gateway's cost in those of a reference."""

    def find(report: Report) -> float | None:
        measure = _measure(report, title)
        found = [measure.ratio(Subject("gateway", wire), Subject(reference, wire)) for wire in WIRES] if measure else []
        known = [one for one in found if one is not None]
        return max(known) if known else None

    return find


def saving(title: str) -> Find:
    """How many times more LiteLLM takes."""

    def find(report: Report) -> float | None:
        share = ratio(title, "litellm")(report)
        return None if share is None else 1 / share

    return find


def start(title: str, name: str) -> Find:
    """A cold start in those of a trivial function, by the clock or by processor time."""

    def find(report: Report) -> float | None:
        measure = _measure(report, title)
        return measure.ratio(Subject(name), Subject("trivial")) if measure else None

    return find


def worst(title: str, *names: str) -> Find:
    """The median of the gateway, or of a row of that name."""

    def find(report: Report) -> float | None:
        measure = _measure(report, title)
        subjects = [Subject(name) for name in names] or [Subject("gateway", wire) for wire in WIRES]
        found = [statistics.median(measure.rows[one]) for one in subjects if one in measure.rows] if measure else []
        return max(found) if found else None

    return find


def fewest(title: str) -> Find:
    """The least that the gateway had in any round."""

    def find(report: Report) -> float | None:
        measure = _measure(report, title)
        found = [min(measure.rows[one]) for wire in WIRES if (one := Subject("gateway", wire)) in measure.rows] if measure else []
        return min(found) if found else None

    return find


GOALS: Final = (
    Goal("unary, small: CPU in floors", "x", 2, ratio(unary.CPU.format("small"), "floor")),
    Goal("unary, small: CPU (TensorZero: 800)", "µs", 800, worst(unary.CPU.format("small"))),
    Goal("unary, 20 messages, 5 tools: CPU in floors", "x", 2, ratio(unary.CPU.format("20 messages, 5 tools"), "floor")),
    Goal("an event alone: CPU in floors", "x", 1.5, ratio(streams.PACED_CPU, "floor")),
    Goal("an event in a burst: CPU in floors", "x", 2.5, ratio(streams.BURST_CPU, "floor")),
    Goal("unary, small: CPU of LiteLLM in gateways", "x", 25, saving(unary.CPU.format("small")), at_least=True),
    Goal("an event in a burst: CPU of LiteLLM in gateways", "x", 40, saving(streams.BURST_CPU), at_least=True),
    Goal("cold start to /health, in trivial functions", "x", 1.25, start(coldstart.WALL, coldstart.HEALTH)),
    Goal("cold start to a chat, keys in a file, ADC, in trivial functions", "x", 1.8, start(coldstart.WALL, coldstart.CHAT_FILE)),
    Goal(
        "cold start to a chat, keys in Secret Manager, ADC, in trivial functions",
        "x",
        2.8,
        start(coldstart.WALL, coldstart.CHAT_STORE),
    ),
    Goal("the same by CPU: /health", "x", 1.25, start(coldstart.CPU, coldstart.HEALTH)),
    Goal("the same by CPU: chat, keys in a file", "x", 1.8, start(coldstart.CPU, coldstart.CHAT_FILE)),
    Goal("the same by CPU: chat, keys in Secret Manager", "x", 2.8, start(coldstart.CPU, coldstart.CHAT_STORE)),
    Goal("memory after /health, both processes", "MB", 85, worst(coldstart.RESIDENT, coldstart.HEALTH)),
    Goal("memory per open stream, of 1,000", "kB", 60, worst(streams.MEMORY.format("1,000"))),
    Goal("1,000 open streams: open at the same time", "", 990, fewest(streams.TOGETHER.format("1,000")), at_least=True),
    Goal("1,000 open streams: failed", "", 0, worst(streams.FAILED.format("1,000"))),
    Goal("1,000 open streams: delay of an event added, p99", "ms", 100, worst(streams.DELAY.format("1,000"))),
)


def text(report: Report) -> str:
    """Write the table of the goals that this run can tell about."""
    rows = [_row(goal, found) for goal in GOALS if (found := goal.find(report)) is not None]
    return table(["goal", "measured", "limit", "reached"], rows) if rows else ""


def _row(goal: Goal, found: float) -> list[str]:
    reached = found >= goal.limit if goal.at_least else found <= goal.limit
    sign = "at least" if goal.at_least else "at most"
    return [goal.what, f"{number(found)} {goal.unit}", f"{sign} {number(goal.limit)} {goal.unit}", "yes" if reached else "NO"]


def _measure(report: Report, title: str) -> Measure | None:
    return next((one for one in report.measures if isinstance(one, Measure) and one.title == title), None)
