"""Rates are read as the `limits` library reads them, but for the length of a year."""

import re

import pytest
from limits import parse_many

from chromagent.config import ConfigurationError, read
from chromagent.schema.rates import Window, parse


@pytest.mark.parametrize(
    ("rate", "windows"),
    [
        ("600/minute", [(600, 60)]),
        ("10 per 5 seconds", [(10, 5)]),
        ("1/second, 5 / hour | 3 per 2 days;9/month", [(1, 1), (5, 3600), (3, 172_800), (9, 2_592_000)]),
        ("1000000 per 1 day", [(1_000_000, 86_400)]),
        (" 2/5seconds ; 7 per hours", [(2, 5), (7, 3600)]),
    ],
)
def test_a_rate_is_an_amount_in_so_many_seconds(rate: str, windows: list[tuple[int, int]]) -> None:
    assert [tuple(window) for window in parse(rate)] == windows
    assert [(item.amount, item.get_expiry()) for item in parse_many(rate)] == windows


def test_a_year_has_365_days() -> None:
    assert parse("1/year") == (Window(1, 365 * 86_400),)


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (Window(600, 60), "600 per minute"),
        (Window(10, 5), "10 per 5 seconds"),
        (Window(3, 172_800), "3 per 2 days"),
        (Window(1, 90), "1 per 90 seconds"),
    ],
)
def test_a_window_is_written_in_words_that_can_be_read_again(window: Window, text: str) -> None:
    assert str(window) == text
    assert parse(text) == (window,)


@pytest.mark.parametrize(
    "rate", ["", "often", "0/minute", "5/fortnight", "5/0 minutes", "1/second;", "٣/minute", "1/second\n", f"{'9' * 16}/day"]
)
def test_what_is_no_rate_is_a_fault_of_the_configuration(rate: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape("rate_limit.per_key")):
        read({"rate_limit": {"per_key": rate}})
