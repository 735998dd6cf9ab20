"""What an upstream refuses is left out once, remembered for that model and place, and told in the log line."""

import json
from typing import Any

import httpx
import pytest

from chromagent.app import create_app
from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, chat, settings
from tests.support.scripted_upstream import Scripted, ScriptedUpstream

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
FORMAT = {"response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMA}}}
TOOL = {"type": "function", "function": {"name": "f"}}
HISTORY: dict[str, Any] = {
    "tools": [TOOL],
    "messages": [
        {"role": "user", "content": "q"},
        {
            "role": "assistant",
            "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "U0lH"}],
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "U0lH"}},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "r"},
    ],
}

REMEMBERED = [
    (
        CLAUDE,
        {"web_search_options": {}},
        "Unexpected value(s) `web-search-2025-03-05` for the `anthropic-beta` header",
        "beta:web-search-2025-03-05",
    ),
    (CLAUDE, FORMAT, "output_config.format: Extra inputs are not permitted", "structured"),
    (CLAUDE, {"tools": [TOOL]}, "cache_control: Extra inputs are not permitted", "cache-control"),
    (GEMINI, {"reasoning_effort": "low"}, "'low' is not a supported thinking level for this model.", "level:LOW"),
    (GEMINI, FORMAT, 'Unknown name "responseJsonSchema" at generation_config: Cannot find field.', "openapi"),
    (
        GEMINI,
        {k: HISTORY[k] for k in HISTORY},
        "Unknown name \"id\" at 'contents[1].parts[0].function_call': Cannot find field.",
        "ids",
    ),
]
FOR_ONCE = [
    (CLAUDE, HISTORY, "messages.1.content.0: Invalid `signature` in `thinking` block", "once:thinking"),
    (GEMINI, HISTORY, "Corrupted thought signature.", "once:signatures"),
]


def refusal(model: str, message: str) -> Scripted:
    if model == CLAUDE:
        return answers.anthropic_error(400, "invalid_request_error", message)
    return answers.google_error(400, "INVALID_ARGUMENT", message)


def good(model: str, *, stream: bool) -> Scripted:
    if model == CLAUDE:
        return answers.claude_stream('{"a": "b"}') if stream else answers.claude('{"a": "b"}')
    return answers.gemini_stream('{"a": "b"}') if stream else answers.gemini('{"a": "b"}')


async def twice(upstream: ScriptedUpstream, model: str, fields: dict[str, Any], *, stream: bool) -> list[int]:
    app: Any = create_app(settings(max_retries=0), transport=upstream)
    body = {**chat(model, stream=stream), **fields}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        return [(await http.post("/v1/chat/completions", json=body)).status_code for _ in range(2)]


def repairs(log: str) -> list[list[str]]:
    return [json.loads(line)["repairs"] for line in log.splitlines() if '"repairs"' in line]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "fields", "message", "repair"), REMEMBERED)
async def test_what_a_model_refuses_is_left_out_from_then_on(
    model: str, fields: dict[str, Any], message: str, repair: str, stream: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream = ScriptedUpstream(refusal(model, message), good(model, stream=stream))
    assert await twice(upstream, model, fields, stream=stream) == [200, 200]
    assert len(upstream.sent) == 3
    assert upstream.sent[1].body != upstream.sent[0].body or upstream.sent[1].headers != upstream.sent[0].headers
    assert upstream.sent[2].body == upstream.sent[1].body
    assert repairs(capfd.readouterr().err) == [[repair], []]


@pytest.mark.parametrize(("model", "fields", "message", "repair"), FOR_ONCE)
async def test_what_concerns_one_conversation_is_not_remembered(
    model: str, fields: dict[str, Any], message: str, repair: str, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream = ScriptedUpstream(
        refusal(model, message), good(model, stream=False), refusal(model, message), good(model, stream=False)
    )
    assert await twice(upstream, model, fields, stream=False) == [200, 200]
    assert len(upstream.sent) == 4
    assert upstream.sent[2].body == upstream.sent[0].body
    assert repairs(capfd.readouterr().err) == [[repair], [repair]]


@pytest.mark.parametrize(("model", "fields", "message", "repair"), [*REMEMBERED, *FOR_ONCE])
async def test_a_repair_that_does_not_help_is_tried_once_and_not_remembered(
    model: str, fields: dict[str, Any], message: str, repair: str
) -> None:
    upstream = ScriptedUpstream(refusal(model, message))
    statuses = await twice(upstream, model, fields, stream=False)
    assert statuses == [400, 400]
    half = len(upstream.sent) // 2
    assert [sent.body for sent in upstream.sent[:half]] == [sent.body for sent in upstream.sent[half:]]
    assert 2 <= half <= 3
