"""What one key's requests leave in an instance never reaches the requests of another key."""

import json
from typing import Any

import pytest

from tests.support import simulated
from tests.support.apps import issue_keys, settings
from tests.support.simulated import RecordingVertex

pytestmark = pytest.mark.anyio

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather in a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
QUESTION = {"role": "user", "content": "Tell the weather in Oslo"}
CLAUDE = {"model": "claude-sonnet-4-6", "reasoning_effort": "high"}
GEMINI = {"model": "gemini-3.8-flash"}


def conversation(call_id: str) -> Any:
    """A conversation that names a call by its id and brings nothing else of the model's answer."""
    call = {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}
    return [QUESTION, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": call_id, "content": "rain"}]


def sent_state(vertex: RecordingVertex) -> list[str]:
    """Thinking and signatures in the last upstream request, without the value that stands for a missing signature."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.extend(str(value[name]) for name in ("thoughtSignature", "signature", "data") if name in value)
            for member in value.values():
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    walk(vertex.sent[-1].body)
    return [state for state in found if state != "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="]


@pytest.mark.parametrize("asked", [CLAUDE, GEMINI], ids=["claude", "gemini"])
@pytest.mark.parametrize("ids", ["plain", "sealed"])
async def test_a_call_id_of_another_caller_brings_none_of_its_reasoning(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], ids: str
) -> None:
    vertex = RecordingVertex()
    (owner, stranger), secured = issue_keys(monkeypatch, "owner", "stranger")
    client = simulated.client(vertex, settings(tool_call_ids=ids, **secured), owner)
    first = await client.chat.completions.create(messages=[QUESTION], tools=TOOLS, **asked)  # pyright: ignore
    call_id = first.choices[0].message.tool_calls[0].id.partition("__cg1_")[0]  # pyright: ignore

    for key, finds_its_reasoning in ((stranger, False), (owner, True)):
        asking = client.with_options(api_key=key).chat.completions
        await asking.create(messages=conversation(call_id), tools=TOOLS, **asked)
        assert bool(sent_state(vertex)) == finds_its_reasoning, key == owner


@pytest.mark.parametrize("asked", [CLAUDE, GEMINI], ids=["claude", "gemini"])
async def test_callers_without_a_key_share_nothing(asked: dict[str, Any]) -> None:
    vertex = RecordingVertex()
    asking = simulated.client(vertex, settings(allow_anonymous=True)).chat.completions
    first = await asking.create(messages=[QUESTION], tools=TOOLS, **asked)  # pyright: ignore
    await asking.create(messages=conversation(first.choices[0].message.tool_calls[0].id), tools=TOOLS, **asked)  # pyright: ignore
    assert sent_state(vertex) == []


async def test_a_seal_made_by_hand_does_not_open_another_callers_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    vertex = RecordingVertex()
    (owner, stranger), secured = issue_keys(monkeypatch, "owner", "stranger")
    client = simulated.client(vertex, settings(**secured), owner)
    first = await client.chat.completions.create(messages=[QUESTION], tools=TOOLS, **CLAUDE)  # pyright: ignore
    call_id = first.choices[0].message.tool_calls[0].id  # pyright: ignore
    asking = client.with_options(api_key=stranger).chat.completions
    for disguised in (f"{call_id}__cg1_claude_AAAA", f"{call_id}__cg1_google_AAAA"):
        await asking.create(messages=conversation(disguised), tools=TOOLS, **CLAUDE)
        assert sent_state(vertex) == []
        assert "AAAA" not in json.dumps(vertex.sent[-1].body)
