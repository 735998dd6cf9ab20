"""Random tests that are the same every time, unless `CHROMAGENT_TEST_SEED` asks for others.

What they tried is told at the end of the run.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, seed, settings

Test = TypeVar("Test", bound=Callable[..., Any])

SEED = int(os.environ.get("CHROMAGENT_TEST_SEED", "0"))
"""0: each test draws from a seed made of itself. Any other number, and ten times the examples are drawn from it."""


def fuzzed(examples: int) -> Callable[[Test], Test]:
    """Draw so many examples."""
    chosen = settings(
        max_examples=examples * 10 if SEED else examples,
        derandomize=SEED == 0,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    def decorate(test: Test) -> Test:
        return seed(SEED)(chosen(test)) if SEED else chosen(test)

    return decorate


class Tally:
    """Counts what was drawn and what came of it, for the lines at the end of the run."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record
        self._outcomes: dict[str, int] = {}

    def note(self, outcome: object) -> None:
        """Count one example."""
        self._outcomes[str(outcome)] = self._outcomes.get(str(outcome), 0) + 1

    def tell(self) -> None:
        """Leave the line; `tests/conftest.py` prints it."""
        seed_text = f"seed {SEED}" if SEED else "derandomised"
        told = ", ".join(f"{count} × {outcome}" for outcome, count in sorted(self._outcomes.items()))
        self._record("fuzz", f"{sum(self._outcomes.values())} examples, {seed_text}: {told}")
