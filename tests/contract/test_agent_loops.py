"""Agents that call tools step after step, with clients that keep everything of an answer and clients that keep the least.

The simulated Vertex verifies every signature that comes back, and the beginning that a Claude model bound its thinking to.
"""

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.support import simulated
from tests.support.apps import issue_keys, settings
from tests.support.simulated import RecordingVertex

pytestmark = pytest.mark.anyio

NAMES = ["get_weather", "book_hotel", "rent_car", "order_taxi", "reserve_table"]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"{name.partition('_')[0].title()} the {name.partition('_')[2]} in a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name in NAMES
]
FIVE_STEPS = (
    "Tell the weather in Oslo then book a hotel in Rome then rent a car in Lima "
    "then order a taxi in Bonn then reserve a table in Nice"
)
DUMMY = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
KEEPING = pytest.mark.parametrize("keeps", [True, False], ids=["keeps everything", "keeps the least"])
STREAMING = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


async def ask(client: AsyncOpenAI, model: str, messages: list[Any], *, stream: bool, keeps: bool, **more: Any) -> dict[str, Any]:
    """One step; the message as this kind of client keeps it."""
    if stream:
        async with client.chat.completions.stream(model=model, messages=messages, tools=TOOLS, **more) as events:
            message = (await events.get_final_completion()).choices[0].message
    else:
        message = (await client.chat.completions.create(model=model, messages=messages, tools=TOOLS, **more)).choices[0].message
    whole = message.model_dump(exclude_none=True)
    whole.pop("parsed", None)
    for call in whole.get("tool_calls", []):
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    if keeps:
        return whole
    calls = [{name: call[name] for name in ("id", "type", "function")} for call in whole.get("tool_calls", [])]
    return {"role": "assistant", "content": whole.get("content"), **({"tool_calls": calls} if calls else {})}


async def run(client: Any, model: str, messages: list[Any], *, stream: bool, keeps: bool, **more: Any) -> list[str]:
    """Run until the model answers in text; return the names of the functions that it called. `client` makes one for each step."""
    called: list[str] = []
    for _ in range(12):
        message = await ask(client(), model, messages, stream=stream, keeps=keeps, **more)
        messages.append(message)
        if "tool_calls" not in message:
            return called
        for call in message["tool_calls"]:
            called.append(call["function"]["name"])
            city = json.loads(call["function"]["arguments"])["city"]
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"city": city, "done": True})})
    raise AssertionError("the loop does not end")


def signatures(vertex: RecordingVertex) -> list[str]:
    """All signatures that went to Gemini with the last request."""
    parts = [part for content in vertex.sent[-1].body["contents"] for part in content["parts"]]
    return [part["thoughtSignature"] for part in parts if "functionCall" in part and "thoughtSignature" in part]


@KEEPING
@STREAMING
@pytest.mark.parametrize("ids", ["plain", "sealed"])
@pytest.mark.parametrize("instances", ["one", "many"])
async def test_five_steps_with_gemini(monkeypatch: pytest.MonkeyPatch, keeps: bool, stream: bool, ids: str, instances: str) -> None:
    vertex = RecordingVertex()
    (key,), secured = issue_keys(monkeypatch, "agent")
    configured = settings(tool_call_ids=ids, **secured)
    only = simulated.client(vertex, configured, key)
    make = (lambda: only) if instances == "one" else (lambda: simulated.client(vertex, configured, key))
    messages: list[Any] = [{"role": "user", "content": FIVE_STEPS}]
    assert await run(make, "gemini-3.8-flash", messages, stream=stream, keeps=keeps) == NAMES
    assert vertex.refusals == []
    genuine = keeps or ids == "sealed" or instances == "one"
    assert len(signatures(vertex)) == 5
    assert all((signature == DUMMY) != genuine for signature in signatures(vertex))
    assert "Nice" in (messages[-1]["content"] or "")


@KEEPING
@STREAMING
@pytest.mark.parametrize("ids", ["plain", "sealed"])
@pytest.mark.parametrize(
    ("model", "effort"),
    [("claude-sonnet-4-5", "high"), ("claude-sonnet-4-6", "medium"), ("claude-opus-5-5", None), ("claude-opus-4-8", "low")],
)
async def test_five_steps_with_claude(keeps: bool, stream: bool, ids: str, model: str, effort: str | None) -> None:
    vertex = RecordingVertex()
    configured = settings(tool_call_ids=ids)
    messages: list[Any] = [{"role": "user", "content": FIVE_STEPS}]
    more = {"reasoning_effort": effort} if effort else {}
    called = await run(lambda: simulated.client(vertex, configured), model, messages, stream=stream, keeps=keeps, **more)
    assert called == NAMES
    assert vertex.refusals == []


@KEEPING
async def test_a_sealed_id_of_one_family_is_stripped_for_the_other(keeps: bool) -> None:
    vertex = RecordingVertex()
    configured = settings(tool_call_ids="sealed")
    messages: list[Any] = [{"role": "user", "content": FIVE_STEPS}]
    models = ["gemini-3.8-flash", "claude-opus-4-8", "gemini-2.5-pro", "claude-sonnet-4-6", "gemini-4-hydrogen"]
    for model in models:
        message = await ask(
            simulated.client(vertex, configured), model, messages, stream=False, keeps=keeps, reasoning_effort="low"
        )
        messages.append(message)
        for call in message["tool_calls"]:
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": "done"})
    assert vertex.refusals == []
    claude = [sent.body for sent in vertex.sent if "anthropic" in sent.url]
    assert "google" not in json.dumps(claude)
    assert "__cg1_" not in json.dumps([sent.body for sent in vertex.sent])


async def test_a_signature_from_elsewhere_is_repaired_once() -> None:
    vertex = RecordingVertex()
    foreign = {"google": {"thought_signature": "Rk9SRUlHTg=="}}
    call = {
        "id": "a",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
        "extra_content": foreign,
    }
    messages: list[Any] = [
        {"role": "user", "content": "Tell the weather in Oslo"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "rain"},
    ]
    message = await ask(simulated.client(vertex), "gemini-3.8-flash", messages, stream=False, keeps=True)
    assert "rain" in message["content"]
    assert vertex.statuses == [400, 200]
    assert "Corrupted thought signature" in vertex.refusals[0]


def thinking_blocks(vertex: RecordingVertex) -> int:
    messages = vertex.sent[-1].body["messages"]
    return sum(block["type"] == "thinking" for message in messages for block in message["content"] if isinstance(block, dict))


@STREAMING
@pytest.mark.parametrize(
    ("model", "effort"), [("claude-opus-5-5", None), ("claude-fable-5-1", None), ("claude-sonnet-4-6", "high")]
)
async def test_thinking_stays_valid_over_ten_turns(stream: bool, model: str, effort: str | None) -> None:
    vertex = RecordingVertex()
    make = lambda: simulated.client(vertex)  # noqa: E731
    more = {"reasoning_effort": effort} if effort else {}
    messages: list[Any] = [{"role": "system", "content": "Use the tools."}]
    cities = ["Oslo", "Rome", "Lima", "Bonn", "Nice", "Bern", "Riga", "Kiev", "Doha", "Cork"]
    for city in cities:
        messages.append({"role": "user", "content": f"Tell the weather in {city}"})
        assert await run(make, model, messages, stream=stream, keeps=True, **more) == ["get_weather"]
    assert vertex.refusals == []
    assert len(vertex.sent) == 20
    assert thinking_blocks(vertex) >= 10
