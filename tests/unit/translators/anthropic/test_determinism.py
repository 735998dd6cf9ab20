"""The conversion is a pure function that only ever appends: caches and bound signatures live on that (wire-anthropic §2.3, E69)."""

import json
from copy import deepcopy
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chromagent import codec
from tests.support import translating

CONTINUE = {"role": "user", "content": [{"type": "text", "text": "Continue."}]}
TEXT = st.sampled_from(["a", "b c", "ünïcode", "  padded  ", "line\nline"])
NAMES = st.sampled_from(["f", "g", "odd.name/x"])
ARGUMENTS = st.sampled_from(["", "{}", '{"a": 1}', '{"b": [1, {"c": null}]}', '{"cut": ', "[1]"])
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g", "odd.name/x")]
MODELS = st.sampled_from(["claude-sonnet-4-6", "claude-opus-4-8", "claude-opus-5", "claude-opus-5-5", "claude-haiku-4-5"])


@st.composite
def turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """One step of a conversation: something the user says, perhaps calls with all their results, and an answer."""
    made: list[dict[str, Any]] = [{"role": "user", "content": draw(TEXT)}]
    if draw(st.booleans()):
        made.append({"role": draw(st.sampled_from(["system", "developer"])), "content": draw(TEXT)})
    thinking = (
        {"thinking_blocks": [{"type": "thinking", "thinking": draw(TEXT), "signature": "U0lH", "index": 0}]}
        if draw(st.booleans())
        else {}
    )
    for step in range(draw(st.integers(0, 2))):
        ids = [f"call_{step}_{number}" for number in range(draw(st.integers(1, 3)))]
        calls = [{"id": one, "type": "function", "function": {"name": draw(NAMES), "arguments": draw(ARGUMENTS)}} for one in ids]
        made.append({"role": "assistant", "content": draw(st.none() | TEXT), "tool_calls": calls, **thinking})
        made += [{"role": "tool", "tool_call_id": one, "content": draw(TEXT)} for one in draw(st.permutations(ids))]
    made.append({"role": "assistant", "content": draw(TEXT), **thinking})
    return made


HISTORIES = st.lists(turns(), min_size=1, max_size=4).map(lambda steps: [message for step in steps for message in step])


def unmarked(value: Any) -> Any:
    """The same without cache marks, which may move."""
    if isinstance(value, dict):
        return {name: unmarked(item) for name, item in value.items() if name != "cache_control"}
    return [unmarked(item) for item in value] if isinstance(value, list) else value


def body(model: str, messages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    request = {"tools": TOOLS, **more}
    return translating.anthropic(None, {"cache_policy": "auto"}, model=model, messages=deepcopy(messages), **request).body


@given(MODELS, HISTORIES, turns())
@settings(max_examples=200, deadline=None)
def test_appending_a_turn_never_changes_what_stands_before_it(
    model: str, history: list[dict[str, Any]], more: list[dict[str, Any]]
) -> None:
    asked = [*history, {"role": "user", "content": "go on"}]
    before = body(model, asked)
    after = body(model, [*asked, *more[1:], {"role": "user", "content": "and on"}])
    shorter, longer = unmarked(before["messages"]), unmarked(after["messages"])
    if shorter[-1] == CONTINUE:
        shorter.pop()
    assert codec.encode(longer[: len(shorter) - 1]) == codec.encode(shorter[:-1])
    last, grown = shorter[-1]["content"], longer[len(shorter) - 1]["content"]
    assert grown[: len(last)] == last
    for name in ("system", "tools", "anthropic_version"):
        assert unmarked(before.get(name)) == unmarked(after.get(name))


@given(MODELS, HISTORIES)
@settings(max_examples=150, deadline=None)
def test_the_same_request_gives_the_same_bytes_and_is_not_touched(model: str, history: list[dict[str, Any]]) -> None:
    messages = [*history, {"role": "user", "content": "go on"}]
    given_before = json.dumps(messages)
    first = translating.anthropic(None, None, model=model, messages=messages, tools=TOOLS)
    second = translating.anthropic(None, None, model=model, messages=messages, tools=TOOLS)
    assert codec.encode(first.body) == codec.encode(second.body)
    assert json.dumps(messages) == given_before


@given(MODELS, HISTORIES)
@settings(max_examples=150, deadline=None)
def test_what_is_sent_obeys_the_rules_of_turns(model: str, history: list[dict[str, Any]]) -> None:
    messages = body(model, [*history, {"role": "user", "content": "go on"}])["messages"]
    roles = [message["role"] for message in messages if message["role"] != "system"]
    assert roles[0] == "user"
    assert all(one != other for one, other in pairwise(roles))
    for message in messages:
        assert all(block["text"].strip() for block in message["content"] if block["type"] == "text")
    ids = [block["id"] for message in messages for block in message["content"] if block["type"] == "tool_use"]
    assert len(set(ids)) == len(ids)
