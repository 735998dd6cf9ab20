"""Every edge case of both wire formats, through the whole application."""

from typing import Any

import pytest

from tests.support import cases
from tests.support.apps import GEMINI
from tests.support.cases import Case

pytestmark = pytest.mark.anyio

GEMINI_CASES = cases.load("gemini")
ANTHROPIC_CASES = cases.load("anthropic")

GEMINI_ANSWER: dict[str, Any] = {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]}


def default(case: Case) -> dict[str, Any]:
    """What the upstream says where a case does not care."""
    return {"events": [GEMINI_ANSWER]} if case.request.get("stream") else {"json": GEMINI_ANSWER}


@pytest.mark.parametrize("case", GEMINI_CASES)
async def test_gemini(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await cases.run(case, GEMINI, default(case), monkeypatch) == []


@pytest.mark.parametrize("case", [row for row in GEMINI_CASES if row.values[0].chunks])
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_gemini_streams_in_reads_of_any_size(case: Case, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await cases.run(case, GEMINI, default(case), monkeypatch, size=size) == []


@pytest.mark.parametrize(
    "case", [row for row in GEMINI_CASES if row.values[0].sent == () and not row.values[0].request.get("stream")]
)
async def test_gemini_refuses_a_stream_as_it_refuses_a_whole_answer(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    if "stream_options" not in case.request:
        assert await cases.run(cases.streamed(case), GEMINI, default(case), monkeypatch) == []


def test_every_edge_case_of_the_document_is_here() -> None:
    numbers = {row.id.partition("-")[0] for row in GEMINI_CASES}
    assert {f"E{number:03}" for number in range(1, 135)} <= numbers


@pytest.mark.parametrize(
    ("expected", "actual", "fault"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1}, {}, True),
        ({"a": "<absent>"}, {"a": None}, True),
        ({"a": "<absent>"}, {}, False),
        ([1], [1, 2], True),
        (["<any>"], [], True),
        (["<any>"], [5], False),
        ("<re:a.c>", "abc", False),
        ("<re:a.c>", "abcd", True),
        (True, 1, True),
        (1.0, 1, False),
        ({}, [], True),
        ([], {}, True),
    ],
)
def test_an_expectation_finds_what_differs(expected: Any, actual: Any, fault: bool) -> None:
    assert bool(list(cases.faults(expected, actual))) == fault
