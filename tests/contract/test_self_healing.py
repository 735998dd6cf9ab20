"""What an upstream refuses is left out, and named. It is remembered for that model and place once it helped two callers."""

import json
from typing import Any

import httpx
import pytest

from chromagent.app import create_app
from chromagent.local import keys
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


KEYS = dict(keys.issue(name) for name in ("a", "b", "c"))
ANNE, BERT, CARL = KEYS


async def ask(
    upstream: ScriptedUpstream, model: str, fields: dict[str, Any], *callers: str, stream: bool = False, **given: Any
) -> list[httpx.Response]:
    """One request after the other, by the holders of these keys; an empty one is anonymous."""
    if any(callers):
        given = {"allow_anonymous": False, "client_keys": "env:TEST_KEYS", **given}
    app: Any = create_app(settings(max_retries=0, **given), transport=upstream)
    body = {**chat(model, stream=stream), **fields}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        return [await http.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}) for key in callers]


@pytest.fixture(autouse=True)
def issued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": list(KEYS.values())}))


def workarounds(log: str) -> list[list[str]]:
    return [json.loads(line)["workarounds"] for line in log.splitlines() if '"workarounds"' in line]


def in_header(name: str) -> str:
    return name.replace(",", "+")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "fields", "message", "workaround"), REMEMBERED)
async def test_what_a_model_refused_to_two_callers_is_left_out_for_all(
    model: str, fields: dict[str, Any], message: str, workaround: str, stream: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    no, yes = refusal(model, message), good(model, stream=stream)
    upstream = ScriptedUpstream(no, yes, no, yes, no, yes, yes)
    replies = await ask(upstream, model, fields, ANNE, ANNE, BERT, CARL, stream=stream)
    assert [reply.status_code for reply in replies] == [200] * 4
    assert len(upstream.sent) == 7, "Anne twice and Bert once are refused at first; Carl is not"
    assert upstream.sent[1].body != upstream.sent[0].body or upstream.sent[1].headers != upstream.sent[0].headers
    assert upstream.sent[6].body == upstream.sent[1].body
    assert [reply.headers["x-chromagent-workarounds"] for reply in replies] == [in_header(workaround)] * 4
    assert workarounds(capfd.readouterr().err) == [[workaround]] * 4


async def test_anonymous_callers_are_one_caller_however_many_they_are() -> None:
    model, fields, message, _ = REMEMBERED[3]
    upstream = ScriptedUpstream(*[refusal(model, message), good(model, stream=False)] * 3)
    replies = await ask(upstream, model, fields, "", "", "")
    assert [reply.status_code for reply in replies] == [200] * 3
    assert len(upstream.sent) == 6


async def test_a_workaround_that_changes_nothing_of_a_request_is_not_named() -> None:
    model, fields, message, _ = REMEMBERED[3]
    no, yes = refusal(model, message), good(model, stream=False)
    upstream = ScriptedUpstream(no, yes, no, yes, yes)
    app: Any = create_app(settings(max_retries=0, allow_anonymous=False, client_keys="env:TEST_KEYS"), transport=upstream)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        for key, more in ((ANNE, fields), (BERT, fields), (CARL, {"reasoning_effort": "high"})):
            reply = await http.post("/v1/chat/completions", json=chat(model, **more), headers={"authorization": f"Bearer {key}"})
    assert "x-chromagent-workarounds" not in reply.headers
    assert upstream.sent[-1].body["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "HIGH"


@pytest.mark.parametrize(("model", "fields", "message", "workaround"), FOR_ONCE)
async def test_what_concerns_one_conversation_is_not_remembered(
    model: str, fields: dict[str, Any], message: str, workaround: str, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream = ScriptedUpstream(*[refusal(model, message), good(model, stream=False)] * 3)
    replies = await ask(upstream, model, fields, ANNE, BERT, CARL)
    assert [reply.status_code for reply in replies] == [200] * 3
    assert len(upstream.sent) == 6
    assert upstream.sent[2].body == upstream.sent[0].body
    assert workarounds(capfd.readouterr().err) == [[workaround]] * 3
    assert {reply.headers["x-chromagent-downgraded"] for reply in replies} == {"messages"}


@pytest.mark.parametrize(("model", "fields", "message", "workaround"), [*REMEMBERED, *FOR_ONCE])
async def test_a_workaround_that_does_not_help_is_tried_once_and_not_remembered(
    model: str, fields: dict[str, Any], message: str, workaround: str
) -> None:
    del workaround
    upstream = ScriptedUpstream(refusal(model, message))
    replies = await ask(upstream, model, fields, ANNE, BERT, CARL)
    assert [reply.status_code for reply in replies] == [400] * 3
    third = len(upstream.sent) // 3
    assert [sent.body for sent in upstream.sent[:third]] * 3 == [sent.body for sent in upstream.sent]
    assert 2 <= third <= 3


async def test_of_two_workarounds_the_one_that_did_not_help_is_not_remembered() -> None:
    """The complaint fits two of them; it is the second after which Google stops complaining."""
    message = "'low' is not a supported thinking level: thinking is not supported for this model."
    no, yes = refusal(GEMINI, message), good(GEMINI, stream=False)
    upstream = ScriptedUpstream(no, no, yes, no, no, yes, yes)
    replies = await ask(upstream, GEMINI, {"reasoning_effort": "low"}, ANNE, BERT, CARL)
    named = [reply.headers["x-chromagent-workarounds"] for reply in replies]
    assert named == ["level:LOW,thinking", "level:LOW,thinking", "thinking"]


# --- content of a client is no complaint of the upstream --------------------------------------------------------------------------

SENTENCES = {
    "level": "'low' is not a supported thinking level for this model.",
    "thinking": "Thinking is not enabled for this model.",
    "validated": "Invalid value at 'tool_config.function_calling_config.mode': VALIDATED",
    "openapi": 'Unknown name "responseJsonSchema" at generation_config: Cannot find field.',
    "ids": "Unknown name \"id\" at 'contents[1].parts[0].function_call': Cannot find field.",
    "turns": "Please ensure that multiturn requests alternate between user and model.",
    "signatures": "Corrupted thought signature.",
    "server tools": "Invalid tool_config: include_server_side_tool_invocations must be set.",
    "beta": "Unexpected value(s) `web-search-2025-03-05` for the `anthropic-beta` header",
    "structured": "output_config.format: Extra inputs are not permitted",
    "cache mark": "cache_control: Extra inputs are not permitted",
    "role": "messages.1.role: Input should be 'user' or 'assistant'",
    "claude's signature": "messages.1.content.0: Invalid `signature` in `thinking` block",
}
ECHOES = (
    "Invalid value: {}",
    'Invalid value "{}" (TYPE_STRING)',
    "Invalid value '{}'",
    "Invalid value `{}`.",
    "{}: no",
    "Bad text: {:.60}",
)


def everywhere(text: str) -> dict[str, Any]:
    """A request that offers whatever a workaround could change, and that holds a text in each place of its client's choice."""
    schema = {"type": "object", "properties": {"id": {"type": "string", "description": text, "enum": [text]}}, "required": ["id"]}
    function = {"name": "f", "description": text, "parameters": schema, "strict": True}
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"id": text})}}
    return {
        "reasoning_effort": "low",
        "web_search_options": {},
        "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": schema}},
        "tools": [{"type": "function", "function": function}],
        "messages": [
            {"role": "user", "content": text},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": text},
            {"role": "system", "content": text},
            {"role": "user", "content": [{"type": "text", "text": text}]},
        ],
    }


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("model", ["gemini-3.8-flash", "claude-opus-5"])
async def test_a_text_of_the_client_that_comes_back_in_a_complaint_leads_to_no_workaround(
    model: str, sentence: str, echo: str
) -> None:
    text = SENTENCES[sentence]
    vendor: Any = answers.google_error if model == GEMINI else answers.anthropic_error
    upstream = ScriptedUpstream(vendor(400, "INVALID_ARGUMENT", echo.format(text)))
    [reply] = await ask(upstream, model, everywhere(text), ANNE)
    assert (reply.status_code, len(upstream.sent)) == (400, 1), upstream.sent[0].body
    assert "x-chromagent-workarounds" not in reply.headers


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("model", ["gemini-3.8-flash", "claude-opus-5"])
async def test_a_part_of_a_text_in_quotes_leads_to_no_workaround(model: str, sentence: str) -> None:
    text = SENTENCES[sentence]
    vendor: Any = answers.google_error if model == GEMINI else answers.anthropic_error
    upstream = ScriptedUpstream(vendor(400, "INVALID_ARGUMENT", f"Invalid value near {json.dumps(text)} (TYPE_STRING)"))
    [reply] = await ask(upstream, model, everywhere(f"It said: {text} So what?"), ANNE)
    assert (reply.status_code, len(upstream.sent)) == (400, 1), upstream.sent[0].body


# --- what a workaround weakens ----------------------------------------------------------------------------------------------------

STRICT_TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}
VALIDATED = "Invalid value at 'tool_config.function_calling_config.mode': VALIDATED"
WEAKENED = [
    (GEMINI, {"tools": [STRICT_TOOL]}, VALIDATED, "tools"),
    (GEMINI, FORMAT, 'Unknown name "responseJsonSchema" at generation_config: Cannot find field.', "response_format"),
    (GEMINI, {"tools": [STRICT_TOOL]}, "Unknown name \"parametersJsonSchema\" at 'tools[0]': Cannot find field.", "tools"),
    (GEMINI, {"reasoning_effort": "low"}, "Thinking is not enabled for this model.", "reasoning_effort"),
    (GEMINI, {"reasoning_effort": "low"}, "'low' is not a supported thinking level for this model.", "reasoning_effort"),
    (CLAUDE, FORMAT, "output_config.format: Extra inputs are not permitted", "response_format"),
    (
        CLAUDE,
        {"anthropic_beta": ["interleaved-thinking-2025-05-14"]},
        "Unexpected value(s) `interleaved-thinking-2025-05-14` for the `anthropic-beta` header",
        "anthropic-beta.interleaved-thinking-2025-05-14",
    ),
    *[(model, fields, message, "messages") for model, fields, message, _ in FOR_ONCE],
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "fields", "message", "weakened"), WEAKENED)
async def test_what_a_workaround_weakens_is_named_with_every_request(
    model: str, fields: dict[str, Any], message: str, weakened: str, stream: bool
) -> None:
    no, yes = refusal(model, message), good(model, stream=stream)
    once = message in [row[2] for row in FOR_ONCE]
    upstream = ScriptedUpstream(no, yes, no, yes, *([no] if once else []), yes)
    replies = await ask(upstream, model, fields, ANNE, BERT, CARL, stream=stream)
    assert [reply.status_code for reply in replies] == [200] * 3
    assert [weakened in reply.headers["x-chromagent-downgraded"].split(",") for reply in replies] == [True] * 3


@pytest.mark.parametrize(("model", "fields", "message", "weakened"), WEAKENED)
async def test_under_strict_a_request_is_refused_instead_of_weakened(
    model: str, fields: dict[str, Any], message: str, weakened: str
) -> None:
    upstream = ScriptedUpstream(refusal(model, message), good(model, stream=False))
    [reply] = await ask(upstream, model, fields, ANNE, strict=True)
    assert (reply.status_code, len(upstream.sent)) == (400, 1)
    assert reply.json()["error"]["param"] == weakened
