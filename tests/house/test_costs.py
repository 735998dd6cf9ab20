"""Every figure of the page on costs follows from the unit prices and assumptions on the same page."""

import re

import pytest

from tests.support.processes import ROOT

PAGE = (ROOT / "docs" / "costs.md").read_text()
GIB = 1024**3
Table = dict[str, list[str]]


def table(heading: str) -> Table:
    """Read the first table after a heading: cells by the first cell of their row, without emphasis and commas of thousands."""
    after = PAGE.partition(heading)[2]
    rows = re.findall(r"^\|(.+)\|$", after[: after.index("\n\n", after.index("\n|---"))], re.MULTILINE)
    cells = [[re.sub(r"(?<=\d),(?=\d)", "", cell.replace("*", "")).strip() for cell in row.split("|")] for row in rows]
    return {first: rest for first, *rest in cells}


MONTH = table("# Costs")
PRICES = {
    meter: (float(free), float(price) / float(each.split()[0]))
    for meter, (free, price, each) in list(table("## Unit prices").items())[2:]
}
ASSUMED = {name.split(",")[0]: [float(cell) for cell in cells] for name, cells in list(table("## What was assumed").items())[2:]}
EXTRAS = table("## What costs also")


def assumed(name: str, column: int) -> float:
    return ASSUMED[name][column - 1] if column else ASSUMED[name][0]


def amounts(column: int) -> dict[str, float]:
    """What a month uses of each meter; the columns are those of the table of the month."""
    requests = (0, 10_000, 1_000_000)[column]
    instance_seconds = (
        requests * assumed("seconds that an answer takes", column) / assumed("answers at a time in one instance", column)
    )
    return {
        "API Gateway": requests,
        "function requests": requests,
        "vCPU time": instance_seconds * assumed("vCPUs of an instance", column),
        "memory time": instance_seconds * assumed("GiB of memory of an instance", column),
        "traffic to the internet": requests * assumed("kB of an answer", column) * 1000 / GIB,
        "logs": requests * assumed("kB of log for a request", column) * 1000 / GIB,
        "secret versions": assumed("secret versions kept", column),
        "secret accesses": instance_seconds / assumed("seconds between two reads of the client keys by an instance", column),
        "images of the functions": assumed("GiB of images kept", column),
    }


def charges(used: dict[str, float], *, free: bool) -> dict[str, float]:
    return {meter: max(0.0, amount - PRICES[meter][0] * free) * PRICES[meter][1] for meter, amount in used.items()}


@pytest.mark.parametrize("column", [0, 1, 2])
def test_every_figure_of_the_month_follows_from_the_unit_prices(column: int) -> None:
    used = amounts(column)
    expected = {meter: f"{charge:.2f}" for meter, charge in charges(used, free=True).items()}
    expected["together"] = f"{sum(charges(used, free=True).values()):.2f}"
    expected["together, had nothing been free"] = f"{sum(charges(used, free=False).values()):.2f}"
    assert {name: cells[column] for name, cells in list(MONTH.items())[2:]} == expected


def test_the_amounts_in_the_text_follow_too() -> None:
    small, large = amounts(1), amounts(2)
    assert f"{small['vCPU time']:,.0f} and {large['vCPU time']:,.0f};" in PAGE
    for meter in ("traffic to the internet", "logs"):
        assert f"{small[meter]:.2f} and {large[meter]:.2f} GiB" in PAGE
    assert f"{small['secret accesses']:,.0f} and {large['secret accesses']:,.0f};" in PAGE


def test_the_price_of_a_busy_second_and_of_the_million_one_by_one_follow() -> None:
    second = PRICES["vCPU time"][1] + 0.5 * PRICES["memory time"][1]
    alone = charges({"vCPU time": 10_000_000, "memory time": 5_000_000}, free=True)
    assert f"{second:.8f} a second" in PAGE
    assert f"{sum(alone.values()):.2f} beyond what is free" in PAGE


def test_what_costs_while_nobody_calls_follows_from_its_arithmetic() -> None:
    hours, seconds = 730, 730 * 3600
    checks = 6 * 12 * hours
    idle = {
        "one warm instance": seconds * (0.0000025 + 0.5 * 0.0000025),
        "load balancer with Cloud Armor": hours * 0.025 + 5.00 + 3 * 1.00,
        "Redis of 1 GiB": hours * 0.049,
        "alerts": 10 * 0.35,
        "uptime check": max(0.0, checks * 0.1 - PRICES["vCPU time"][0]),
    }
    assert {name.split(",")[0]: cells[0] for name, cells in list(EXTRAS.items())[2:]} == {
        name: f"{usd:.2f}" for name, usd in idle.items()
    }
    assert f"{seconds:,} s × (0.0000025 + 0.5 × 0.0000025)" in PAGE
    used = {"function requests": checks, "vCPU time": checks * 0.1, "memory time": checks * 0.05}
    assert f"{checks:,} requests of 0.1 s" in PAGE
    assert f"{sum(charges(used, free=False).values()):.2f} had nothing been free" in PAGE


def test_the_page_says_how_old_its_prices_are() -> None:
    assert "between August and November 2026" in PAGE
    assert "check before you quote them" in PAGE
