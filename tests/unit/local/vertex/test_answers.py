"""What the little model says: the same each time, and what a real one could have said."""

import json
from typing import Any

import httpx
import pytest

from chromagent.local.vertex import scenarios
from chromagent.local.vertex.app import create_app
from tests.unit.local.vertex.test_refusals import CLAUDE, CUSTOM, GEMINI, TOOL, ask, ask_claude, ask_gemini, say, turn

pytestmark = pytest.mark.anyio


def text_of(answer: httpx.Response) -> str:
    document = answer.json()
    if "candidates" in document:
        return "".join(part.get("text", "") for part in document["candidates"][0]["content"]["parts"] if not part.get("thought"))
    return "".join(block.get("text", "") for block in document["content"])


async def test_the_same_request_gets_the_same_answer() -> None:
    bodies = [(await ask_gemini({"contents": [turn("user", "Tell me about Oslo")]})).json() for _ in range(2)]
    assert bodies[0]["candidates"] == bodies[1]["candidates"]
    assert "Oslo" in json.dumps(bodies[0])


async def test_it_obeys_say_and_count() -> None:
    assert "Nairobi" in text_of(await ask_gemini({"contents": [turn("user", "say Nairobi")]}))
    assert "4" in text_of(await ask_claude({"messages": [say("user", "count to 4")]}))


async def test_it_calls_one_function_for_each_thing_that_is_named() -> None:
    tool = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    answer = await ask_claude({"messages": [say("user", "What is the weather in Oslo and Rome?")], "tools": [tool]})
    uses = [block for block in answer.json()["content"] if block["type"] == "tool_use"]
    assert [use["input"] for use in uses] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert answer.json()["stop_reason"] == "tool_use"


async def test_a_forced_function_is_called_whatever_is_said() -> None:
    config = {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}
    parts = (await ask_gemini({"tools": [TOOL], **config})).json()["candidates"][0]["content"]["parts"]
    assert [part["functionCall"]["name"] for part in parts if "functionCall" in part] == ["f"]
    content = (await ask_claude({"tools": [CUSTOM], "tool_choice": {"type": "any"}})).json()["content"]
    assert [block["name"] for block in content if block["type"] == "tool_use"] == ["f"]


async def test_it_fills_in_a_schema() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 5}, "kind": {"enum": ["a", "b"]}},
        "required": ["n", "kind"],
    }
    config = {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}}
    found = json.loads(text_of(await ask_gemini(config)))
    assert found["n"] >= 5
    assert found["kind"] in ("a", "b")


async def test_it_ends_at_its_limit_and_says_so() -> None:
    config = {"generationConfig": {"maxOutputTokens": 2, "thinkingConfig": {"thinkingLevel": "LOW"}}}
    candidate = (await ask_gemini({"contents": [turn("user", "count to 50")], **config})).json()["candidates"][0]
    assert candidate["finishReason"] == "MAX_TOKENS"
    assert (await ask_claude({"messages": [say("user", "count to 50")], "max_tokens": 2})).json()["stop_reason"] == "max_tokens"


async def test_usage_adds_up() -> None:
    usage = (await ask_gemini({"contents": [turn("user", "one two three")]})).json()["usageMetadata"]
    parts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount")
    assert usage["totalTokenCount"] == sum(usage.get(name, 0) for name in parts)


@pytest.mark.parametrize("text", ["a b", "a b c d"])
async def test_tokens_are_counted_as_the_answer_counts_them(text: str) -> None:
    path = GEMINI.format(model="gemini-3.8-flash")
    body: dict[str, Any] = {"contents": [turn("user", text)]}
    counted = (await ask(path.replace("generateContent", "countTokens"), body)).json()["totalTokens"]
    assert counted == (await ask(path, body)).json()["usageMetadata"]["promptTokenCount"] > 0
    messages = {"messages": [say("user", text)]}
    given = {"anthropic_version": "vertex-2023-10-16", "model": "claude-sonnet-4-6", **messages}
    counted = (await ask(CLAUDE.format(model="count-tokens"), given)).json()["input_tokens"]
    assert counted == (await ask_claude(messages)).json()["usage"]["input_tokens"] > 0


async def test_a_stream_without_sse_is_one_array() -> None:
    path = GEMINI.format(model="gemini-3.8-flash").replace("generateContent", "streamGenerateContent")
    answer = await ask(path, {"contents": [turn("user", "hi")]})
    assert isinstance(answer.json(), list)


async def test_a_stream_and_a_whole_answer_say_the_same() -> None:
    path = GEMINI.format(model="gemini-3.8-flash").replace("generateContent", "streamGenerateContent?alt=sse")
    streamed = await ask(path, {"contents": [turn("user", "Tell me about Oslo")]})
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: ")]
    parts = [part for event in events for part in event["candidates"][0]["content"].get("parts", [])]
    whole = await ask_gemini({"contents": [turn("user", "Tell me about Oslo")]})
    assert "".join(part.get("text", "") for part in parts if not part.get("thought")) == text_of(whole)
    assert len(events) > 5


REFUSED = [("400", 400), ("401", 401), ("403", 403), ("404", 404), ("408", 408), ("409", 409), ("413", 413), ("429", 429)]
REFUSED += [("500", 500), ("503", 503), ("504", 504)]


@pytest.mark.parametrize(("name", "status"), [*REFUSED, ("529", 529)])
async def test_claude_fails_on_request(name: str, status: int) -> None:
    answer = await ask_claude({"messages": [say("user", f"simulate: {name}")]})
    assert answer.status_code == status
    assert ("type" in answer.json()) == (status in (400, 413, 429, 500, 529))


@pytest.mark.parametrize(("name", "status"), REFUSED)
async def test_gemini_fails_on_request(name: str, status: int) -> None:
    answer = await ask_gemini({"contents": [turn("user", f"simulate: {name}")]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)


async def test_a_wait_is_told_in_the_vendors_own_way() -> None:
    google = (await ask_gemini({"contents": [turn("user", "simulate: 429 12s")]})).json()
    assert google["error"]["details"][0]["retryDelay"] == "12s"
    assert (await ask_claude({"messages": [say("user", "simulate: 429 12s")]})).headers["retry-after"] == "12"


@pytest.mark.parametrize(
    ("name", "reason"), [("safety", "SAFETY"), ("recitation", "RECITATION"), ("malformed-call", "MALFORMED_FUNCTION_CALL")]
)
async def test_a_finish_reason_on_request(name: str, reason: str) -> None:
    answer = await ask_gemini({"contents": [turn("user", f"simulate: {name}")], "tools": [TOOL]})
    assert answer.json()["candidates"][0]["finishReason"] == reason


async def test_it_counts_streams_that_were_given_up() -> None:
    app = create_app(words_per_second=0)
    transport = httpx.ASGITransport(app)  # pyright: ignore[reportArgumentType]
    async with httpx.AsyncClient(transport=transport, base_url="http://vertex.test") as client:
        await client.post(
            GEMINI.format(model="gemini-3.8-flash"), json={"contents": [turn("user", "hi")]}, headers={"authorization": "t"}
        )
        assert (await client.get("/_simulated/stats")).json() == {"requests": 1, "open_streams": 0, "cancelled": 0}


def test_an_unknown_scenario_is_plain_text() -> None:
    assert scenarios.find("simulate: nonsense") is None
    assert scenarios.find("please simulate: 429 12s now") == ("429", "12s")
