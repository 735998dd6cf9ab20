"""Values nested in each other, at every place of a request: up to 200 levels are served, more are a 400 that names the place."""

import json
from typing import Any

import pytest

from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, post, settings
from tests.support.growing_requests import BASES, USER, Request, asking, call, places, replaced, result, with_schema
from tests.support.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.anyio
MODELS = pytest.mark.parametrize("model", [GEMINI, CLAUDE], ids=["gemini", "claude"])
UPSTREAM = {GEMINI: answers.gemini, CLAUDE: answers.claude}


def nested(levels: int, *, arrays: bool = False) -> Any:
    text = "[" * levels + "]" * levels if arrays else '{"a":' * levels + "1" + "}" * levels
    return json.loads(text)


async def error_of(model: str, request: Request) -> tuple[int, str | None]:
    answer = await post(
        ScriptedUpstream(UPSTREAM[model]()), {"model": model, **request}, settings({"max_retries": 0}, {"max_retries": 0})
    )
    body = answer.json()
    return answer.status_code, body["error"]["param"] if "error" in body else None


@MODELS
@pytest.mark.parametrize("base", BASES)
async def test_480_levels_at_any_place_are_a_400_that_names_it(base: str, model: str) -> None:
    for path, value in places(BASES[base]):
        if not isinstance(value, dict | list):
            continue
        status, param = await error_of(model, replaced(BASES[base], path, nested(480, arrays=isinstance(value, list))))
        assert status == 400, path
        assert param is not None, path
        assert param.startswith(str(path[0])), path


@MODELS
@pytest.mark.parametrize("levels", [201, 480, 900, 5_000, 100_000])
async def test_arguments_of_a_call_that_are_too_deep_are_a_400(model: str, levels: int) -> None:
    arguments = '{"a":' * levels + "1" + "}" * levels
    request = {"messages": [USER, asking({**call(), "function": {"name": "f", "arguments": arguments}}), result()]}
    status, param = await error_of(model, request)
    assert status == 400
    assert param in ("messages[1].tool_calls[0].function.arguments", "messages.[1].tool_calls.[0].function.arguments")


@MODELS
@pytest.mark.parametrize("levels", [201, 5_000])
async def test_arguments_of_the_deprecated_form_that_are_too_deep_are_a_400(model: str, levels: int) -> None:
    spoken = {"role": "assistant", "function_call": {"name": "f", "arguments": '{"a":' * levels + "1" + "}" * levels}}
    status, param = await error_of(model, {"messages": [USER, spoken, {"role": "function", "name": "f", "content": "x"}]})
    assert status == 400
    assert param in ("messages[1].function_call.arguments", "messages.[1].function_call.arguments")


@MODELS
async def test_arguments_of_200_levels_are_served(model: str) -> None:
    arguments = '{"a":' * 200 + "1" + "}" * 200
    request = {"messages": [USER, asking({**call(), "function": {"name": "f", "arguments": arguments}}), result()]}
    assert (await error_of(model, request))[0] == 200


@MODELS
async def test_a_result_of_5000_levels_is_sent_as_text(model: str) -> None:
    request = {"messages": [USER, asking(call()), {**result(), "content": "[" * 5_000 + "]" * 5_000}]}
    assert (await error_of(model, request))[0] == 200


@MODELS
async def test_a_schema_of_60_levels_is_served(model: str) -> None:
    schema: Request = {"type": "string"}
    for _ in range(60):
        schema = {"type": "object", "properties": {"a": schema}}
    assert (await error_of(model, with_schema(schema)))[0] == 200


@MODELS
@pytest.mark.parametrize("levels", [1_500, 100_000])
async def test_a_body_that_is_too_deep_to_be_read_is_a_400(model: str, levels: int) -> None:
    body = b'{"model":"%s","messages":[%s]}' % (model.encode(), b"[" * levels + b"]" * levels)
    answer = await post(ScriptedUpstream(UPSTREAM[model]()), body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
