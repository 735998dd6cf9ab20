"""The shorter sister of `make soak`: what half an hour is measured by holds for some seconds too, and leaks are noticed."""

from collections.abc import Callable

import pytest

from tools import soak
from tools.soak import Measured, Sample


def test_mixed_load_with_faults_and_disconnects_leaves_the_gateway_as_small_as_it_was(
    record_property: Callable[[str, object], None],
) -> None:
    measured = soak.run(seconds=18, rate=70, seed=1)
    record_property("soak", "; ".join(measured.report()))
    assert measured.faults() == [], measured.report()
    assert measured.outcomes["200"] > 300
    assert measured.outcomes["left"] > 30


def measured_with(megabytes_per_second: float = 0.0, files_per_second: float = 0.0, **more: object) -> Measured:
    samples = [Sample(s, 100 + 30 * min(s, 20) + megabytes_per_second * s, 30 + int(files_per_second * s)) for s in range(61)]
    return Measured(60, samples, **more)  # pyright: ignore[reportArgumentType]


def test_growth_during_the_warm_up_is_none() -> None:
    assert measured_with().faults() == []


@pytest.mark.parametrize(
    ("measured", "fault"),
    [
        (measured_with(megabytes_per_second=0.25), "memory grew by 10.0 MB"),
        (measured_with(files_per_second=0.5), "descriptors grew by 20"),
        (measured_with(held=2), "2 upstream answers are still held"),
        (measured_with(wrong=["x"]), "wrong: x"),
    ],
)
def test_what_grows_after_it_is_noticed(measured: Measured, fault: str) -> None:
    assert measured.faults() == [fault]
