"""Every edge case of both wire formats, through the whole application."""

from typing import Any

import pytest

from tests.support import answers, cases
from tests.support.apps import CLAUDE, GEMINI
from tests.support.cases import Case

pytestmark = pytest.mark.anyio

GEMINI_ANSWER: dict[str, Any] = {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]}


RAILS = {"gemini": GEMINI, "anthropic": CLAUDE}
ALL = cases.load("gemini") + cases.load("anthropic")
STREAMS = [row for row in ALL if row.values[0].chunks]
REFUSED = [row for row in ALL if row.values[0].sent == () and not row.values[0].request.get("stream")]


def default(case: Case) -> dict[str, Any]:
    """What the upstream says where a case does not care."""
    if case.provider == "gemini":
        return {"events": [GEMINI_ANSWER]} if case.request.get("stream") else {"json": GEMINI_ANSWER}
    return {"events": answers.claude_events("ok")} if case.request.get("stream") else {"json": answers.claude_message("ok")}


@pytest.mark.parametrize("case", ALL)
async def test_a_case(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await cases.run(case, RAILS[case.provider], default(case), monkeypatch) == []


@pytest.mark.parametrize("case", STREAMS)
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_stream_in_reads_of_any_size(case: Case, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await cases.run(case, RAILS[case.provider], default(case), monkeypatch, size=size) == []


@pytest.mark.parametrize("case", REFUSED)
async def test_a_stream_is_refused_as_a_whole_answer_is(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    if "stream_options" not in case.request:
        assert await cases.run(cases.streamed(case), RAILS[case.provider], default(case), monkeypatch) == []


@pytest.mark.parametrize(("provider", "count", "elsewhere"), [("gemini", 134, set[int]()), ("anthropic", 102, {92})])
def test_every_edge_case_of_the_documents_is_here(provider: str, count: int, elsewhere: set[int]) -> None:
    """Case 92, a client that leaves, is a test of its own among those of the endpoint."""
    numbers = {int(row.id[1:4]) for row in cases.load(provider) if row.id.startswith("E")}
    assert numbers == set(range(1, count + 1)) - elsewhere


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
