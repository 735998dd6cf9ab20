"""What the simulated Vertex refuses, as the vendors do. Each row breaks one rule of a request that is good without it."""

from copy import deepcopy
from typing import Any

import httpx
import pytest

from chromagent.local.vertex.app import create_app

pytestmark = pytest.mark.anyio

GEMINI = "/v1beta1/projects/p/locations/global/publishers/google/models/{model}:generateContent"
CLAUDE = "/v1/projects/p/locations/global/publishers/anthropic/models/{model}:rawPredict"
TOOL: dict[str, Any] = {"functionDeclarations": [{"name": "f", "description": "d"}]}
CALL: dict[str, Any] = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"}
RESULT: dict[str, Any] = {"functionResponse": {"name": "f", "response": {"output": 1}}}
USE: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
ANSWER: dict[str, Any] = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}
CUSTOM: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}


def turn(role: str, *parts: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def say(role: str, *blocks: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]}


async def ask(path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(words_per_second=0))  # pyright: ignore[reportArgumentType]
    async with httpx.AsyncClient(transport=transport, base_url="http://vertex.test") as client:
        return await client.post(path, json=body, headers={"authorization": "Bearer t", **headers})


async def ask_gemini(body: dict[str, Any], model: str = "gemini-3.8-flash") -> httpx.Response:
    return await ask(GEMINI.format(model=model), {"contents": [turn("user", "hi")], **deepcopy(body)})


async def ask_claude(body: dict[str, Any], model: str = "claude-sonnet-4-6", **headers: str) -> httpx.Response:
    base = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 100, "messages": [say("user", "hi")]}
    return await ask(
        CLAUDE.format(model=model), {name: value for name, value in {**base, **body}.items() if value is not None}, **headers
    )


GOOD_GEMINI: list[tuple[str, dict[str, Any]]] = [
    ("gemini-3.8-flash", {}),
    ("gemini-3.8-flash", {"contents": [turn("user", "hi"), turn("model", CALL), turn("user", RESULT)], "tools": [TOOL]}),
    ("gemini-2.5-pro", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 128, "includeThoughts": True}}}),
    ("gemini-3-pro-preview", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}),
    ("gemini-2.5-flash", {"contents": [turn("user", "hi"), turn("model", "prefilled")]}),
]


@pytest.mark.parametrize(("model", "body"), GOOD_GEMINI)
async def test_gemini_takes_a_good_request(model: str, body: dict[str, Any]) -> None:
    answer = await ask_gemini(body, model)
    assert answer.status_code == 200, answer.text


BAD_GEMINI: list[tuple[str, dict[str, Any], str]] = [
    ("no contents", {"contents": []}, "contents is not specified"),
    ("an unknown field", {"foo": 1}, 'Unknown name "foo": Cannot find field.'),
    ("an unknown field deep inside", {"generationConfig": {"maxTokens": 1}}, "Unknown name \"maxTokens\" at 'generation_config'"),
    ("an unknown role", {"contents": [turn("assistant", "hi")]}, "Please use a valid role: user, model."),
    ("no parts", {"contents": [{"role": "user", "parts": []}]}, "at least one parts field"),
    ("a part without data", {"contents": [turn("user", {"thought": True})]}, "required oneof field 'data'"),
    ("an empty text alone", {"contents": [turn("user", "")]}, "empty text parameter"),
    ("a model turn first", {"contents": [turn("model", "hi"), turn("user", "hi")]}, "start with a user turn"),
    (
        "a call without its result",
        {"contents": [turn("user", "hi"), turn("model", CALL), turn("user", "hm")]},
        "number of function response",
    ),
    ("a result without its call", {"contents": [turn("user", RESULT)]}, "number of function response"),
    (
        "a call without a signature",
        {"contents": [turn("user", "hi"), turn("model", {"functionCall": CALL["functionCall"]}), turn("user", RESULT)]},
        "is missing a `thought_signature`",
    ),
    (
        "an altered signature",
        {"contents": [turn("user", "hi"), turn("model", {**CALL, "thoughtSignature": "QUJD"}), turn("user", RESULT)]},
        "Corrupted thought signature.",
    ),
    ("a bad name", {"tools": [{"functionDeclarations": [{"name": "1f"}]}]}, "Must start with a letter or an underscore."),
    (
        "the same name twice",
        {"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]},
        "Duplicate function declaration",
    ),
    (
        "a mode without tools",
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        "without function_declarations",
    ),
    (
        "an allowed name that is not declared",
        {"tools": [TOOL], "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}}},
        "which is not declared",
    ),
    (
        "a keyword outside the subset",
        {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "not": {}}}]}]},
        "Unsupported keyword `not`",
    ),
    (
        "a reference that says more",
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "parametersJsonSchema": {
                                "type": "object",
                                "properties": {"a": {"$ref": "#/$defs/a", "type": "string"}},
                            },
                        }
                    ]
                }
            ]
        },
        "set alongside unsupported fields",
    ),
    (
        "broken base64",
        {"contents": [turn("user", {"inlineData": {"mimeType": "image/png", "data": "!!"}})]},
        "Base64 decoding failed",
    ),
    (
        "a scheme that is none",
        {"contents": [turn("user", {"fileData": {"mimeType": "image/png", "fileUri": "ftp://x/y"}})]},
        "file URI",
    ),
    ("a prefill where there is none", {"contents": [turn("user", "hi"), turn("model", "So")]}, "prefilling is not supported"),
    ("a level that the family lacks", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}}, "thinking level"),
]


@pytest.mark.parametrize(("body", "message"), [row[1:] for row in BAD_GEMINI], ids=[row[0] for row in BAD_GEMINI])
async def test_gemini_refuses(body: dict[str, Any], message: str) -> None:
    answer = await ask_gemini(body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert message in error["message"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")


async def test_gemini_2_5_pro_cannot_stop_thinking() -> None:
    answer = await ask_gemini({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, "gemini-2.5-pro")
    assert answer.status_code == 400


async def test_the_first_version_of_the_api_knows_no_ids_of_calls() -> None:
    call = {**CALL, "functionCall": {"id": "1", "name": "f", "args": {}}}
    body = {"contents": [turn("user", "hi"), turn("model", call), turn("user", RESULT)]}
    answer = await ask(GEMINI.format(model="gemini-3.8-flash").replace("v1beta1", "v1"), body)
    assert 'Unknown name "id"' in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", [GEMINI, CLAUDE])
async def test_a_model_that_does_not_exist_is_googles_404(path: str) -> None:
    answer = await ask(path.format(model="llama-9"), {"contents": [turn("user", "hi")]})
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("token", ["", "Bearer expired"])
async def test_a_missing_or_expired_token_is_a_401(token: str) -> None:
    answer = await ask(GEMINI.format(model="gemini-3.8-flash"), {"contents": [turn("user", "hi")]}, authorization=token)
    assert answer.status_code == 401


THINKING: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
GOOD_CLAUDE: list[tuple[str, dict[str, Any]]] = [
    ("claude-sonnet-4-6", {}),
    ("claude-sonnet-4-6", {"messages": [say("user", "hi"), say("assistant", USE), say("user", ANSWER)], "tools": [CUSTOM]}),
    ("claude-sonnet-4-6", {"messages": [{"role": "user", "content": "hi"}]}),
    ("claude-sonnet-4-5@20250929", THINKING),
    ("claude-opus-5-5", {"output_config": {"effort": "low"}}),
]


@pytest.mark.parametrize(("model", "body"), GOOD_CLAUDE)
async def test_claude_takes_a_good_request(model: str, body: dict[str, Any]) -> None:
    answer = await ask_claude(body, model)
    assert answer.status_code == 200, answer.text


BAD_CLAUDE: list[tuple[str, str, dict[str, Any], str]] = [
    ("no max_tokens", "claude-sonnet-4-6", {"max_tokens": None}, "max_tokens"),
    ("a model in the body", "claude-sonnet-4-6", {"model": "claude-sonnet-4-6"}, "model"),
    ("an unknown field", "claude-sonnet-4-6", {"foo": 1}, "foo: Extra inputs are not permitted"),
    ("no messages", "claude-sonnet-4-6", {"messages": []}, "messages"),
    (
        "an assistant first",
        "claude-sonnet-4-6",
        {"messages": [say("assistant", "hi"), say("user", "hi")]},
        'must use the "user" role',
    ),
    ("an empty text", "claude-sonnet-4-6", {"messages": [say("user", "")]}, "non-empty"),
    ("a blank text", "claude-sonnet-4-6", {"messages": [say("user", " ")]}, "non-whitespace"),
    (
        "a call without its result",
        "claude-sonnet-4-6",
        {"messages": [say("user", "hi"), say("assistant", USE), say("user", "hm")], "tools": [CUSTOM]},
        "without `tool_result` blocks immediately after",
    ),
    (
        "a result without its call",
        "claude-sonnet-4-6",
        {"messages": [say("user", ANSWER)], "tools": [CUSTOM]},
        "unexpected `tool_use_id`",
    ),
    (
        "a result after a text",
        "claude-sonnet-4-6",
        {"messages": [say("user", "hi"), say("assistant", USE), say("user", "hm", ANSWER)], "tools": [CUSTOM]},
        "must come first",
    ),
    (
        "a call without tools",
        "claude-sonnet-4-6",
        {"messages": [say("user", "hi"), say("assistant", USE), say("user", ANSWER)]},
        "must define tools",
    ),
    ("a bad name", "claude-sonnet-4-6", {"tools": [{**CUSTOM, "name": "a b"}]}, "should match pattern"),
    (
        "a schema that is no object",
        "claude-sonnet-4-6",
        {"tools": [{"name": "f", "input_schema": {"type": "array"}}]},
        "should be 'object'",
    ),
    ("a choice without tools", "claude-sonnet-4-6", {"tool_choice": {"type": "any"}}, "while providing tools"),
    (
        "forcing where thinking is on",
        "claude-sonnet-4-6",
        {**THINKING, "tools": [CUSTOM], "tool_choice": {"type": "any"}},
        "Thinking may not be enabled",
    ),
    (
        "forcing a model that refuses it",
        "claude-opus-5-5",
        {"tools": [CUSTOM], "tool_choice": {"type": "any"}},
        "not supported for this model",
    ),
    ("two ways of sampling", "claude-sonnet-4-5@20250929", {"temperature": 0.5, "top_p": 0.5}, "cannot both be specified"),
    ("sampling where there is none", "claude-opus-5-5", {"temperature": 0.5}, "not supported for this model"),
    ("a temperature above one", "claude-sonnet-4-6", {"temperature": 1.5}, "range: 0..1"),
    ("too many tokens", "claude-sonnet-4-6", {"max_tokens": 64_001}, "maximum allowed number of output tokens"),
    (
        "a small budget",
        "claude-sonnet-4-6",
        {"thinking": {"type": "enabled", "budget_tokens": 10}},
        "greater than or equal to 1024",
    ),
    (
        "a budget beyond max_tokens",
        "claude-sonnet-4-6",
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1024},
        "must be greater than",
    ),
    (
        "a prefill",
        "claude-opus-5-5",
        {"messages": [say("user", "hi"), say("assistant", "So")]},
        "does not support assistant message prefill",
    ),
    (
        "an effort that the family lacks",
        "claude-sonnet-4-6",
        {"output_config": {"effort": "xhigh"}},
        "output_config.effort",
    ),
    (
        "an open object as a format",
        "claude-sonnet-4-6",
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "must be explicitly set to false",
    ),
    (
        "a format that does not exist",
        "claude-sonnet-4-6",
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "string", "format": "phone"}}}},
        "format 'phone' is not supported",
    ),
    (
        "five cache marks",
        "claude-sonnet-4-6",
        {"messages": [say("user", *[{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}] * 5)]},
        "A maximum of 4 blocks",
    ),
    (
        "an image by URL",
        "claude-sonnet-4-6",
        {"messages": [say("user", {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}})]},
        "source",
    ),
    (
        "thinking signed elsewhere",
        "claude-sonnet-4-6",
        {
            "messages": [
                say("user", "hi"),
                say("assistant", {"type": "thinking", "thinking": "a", "signature": "QUJD"}),
                say("user", "b"),
            ]
        },
        "Invalid `signature` in `thinking` block",
    ),
]


@pytest.mark.parametrize(("model", "body", "message"), [row[1:] for row in BAD_CLAUDE], ids=[row[0] for row in BAD_CLAUDE])
async def test_claude_refuses(model: str, body: dict[str, Any], message: str) -> None:
    answer = await ask_claude(body, model)
    assert answer.status_code == 400, answer.text
    document = answer.json()
    assert message in document["error"]["message"]
    assert (document["type"], document["error"]["type"]) == ("error", "invalid_request_error")


async def test_an_unknown_beta_is_refused() -> None:
    answer = await ask_claude({}, **{"anthropic-beta": "no-such-beta-2020-01-01"})
    assert "anthropic-beta" in answer.json()["error"]["message"]
