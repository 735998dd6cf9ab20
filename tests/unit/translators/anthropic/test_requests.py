"""Requests to Claude: what short ways of reading them must not lose."""

from typing import Any

import pytest

from chromagent.errors import InvalidRequest
from tests.support import translating

OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = {**OPEN, "required": ["a"], "additionalProperties": False}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


def sent_tool(**function: Any) -> dict[str, Any]:
    return translating.anthropic(None, None, tools=[tool(**function)]).body["tools"][0]


def test_a_system_message_before_another_of_the_user_is_said_by_the_user() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "system", "content": "S"}, {"role": "user", "content": "b"}]
    body = translating.anthropic(None, None, model="claude-opus-5", messages=messages).body
    texts = [block["text"] for block in body["messages"][0]["content"]]
    assert texts == ["a", "<system-message>\nS\n</system-message>", "b"]


def test_a_tool_does_not_say_where_its_schema_is_from() -> None:
    assert sent_tool(parameters={"$schema": "https://s", "$id": "i", **OPEN})["input_schema"] == OPEN


def test_each_schema_is_judged_for_itself_however_often_it_comes() -> None:
    assert [sent_tool(strict=True, parameters=schema).get("strict") for schema in (CLOSED, OPEN, CLOSED, OPEN)] == [
        True,
        None,
        True,
        None,
    ]


@pytest.mark.parametrize(
    ("function", "param"),
    [
        ({"description": False}, "tools.[0].function.description"),
        ({"strict": 0}, "tools.[0].function.strict"),
        ({"name": ""}, "tools.[0].function.name"),
        ({"name": None}, "tools.[0].function.name"),
        ({"parameters": []}, "tools.[0].function.parameters"),
    ],
)
def test_a_fault_in_a_tool_is_named_by_its_place(function: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as fault:
        sent_tool(**function)
    assert fault.value.param == param


@pytest.mark.parametrize(
    ("call", "param"),
    [
        (1, "messages.[1].tool_calls.[0]"),
        ({}, "messages.[1].tool_calls.[0].id"),
        ({"id": "c"}, "messages.[1].tool_calls.[0].function"),
        ({"id": "c", "function": {"name": 1}}, "messages.[1].tool_calls.[0].function.name"),
        ({"id": "c", "custom": {}}, "messages.[1].tool_calls.[0].custom.name"),
    ],
)
def test_a_fault_in_a_call_is_named_by_its_place(call: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as fault:
        translating.anthropic(None, None, messages=[*translating.HI, {"role": "assistant", "tool_calls": [call]}])
    assert fault.value.param == param
