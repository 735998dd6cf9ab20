"""One table says what becomes of each field: the translation obeys it, the model list publishes it, the documentation shows it."""

import json
import re
from typing import Any

import httpx
import pytest

from chromagent.app import create_app
from chromagent.catalog import MODELS
from chromagent.schema.chat import FIELDS
from chromagent.translators.anthropic.parameters import TABLE as CLAUDE_TABLE
from chromagent.translators.anthropic.profiles import profile_of as claude_profile
from chromagent.translators.gemini.parameters import TABLE as GEMINI_TABLE
from chromagent.translators.gemini.profiles import profile_of as gemini_profile
from tests.support import answers
from tests.support.apps import post, settings
from tests.support.processes import ROOT
from tests.support.scripted_upstream import Scripted, ScriptedUpstream

pytestmark = pytest.mark.anyio

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}
ASKING: dict[str, dict[str, Any]] = {
    "audio": {"audio": {"voice": "alloy", "format": "wav"}},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "function_call": {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
    "functions": {"functions": [{"name": "f"}]},
    "logit_bias": {"logit_bias": {"5": 1}},
    "logprobs": {"logprobs": True},
    "max_completion_tokens": {"max_completion_tokens": 777},
    "max_tokens": {"max_tokens": 777},
    "metadata": {"metadata": {"a": "b"}},
    "modalities": {"modalities": ["text", "image"]},
    "moderation": {"moderation": {"model": "m"}},
    "n": {"n": 2},
    "parallel_tool_calls": {"tools": [TOOL], "parallel_tool_calls": False},
    "prediction": {"prediction": {"type": "content", "content": "x"}},
    "presence_penalty": {"presence_penalty": 0.5},
    "prompt_cache_key": {"prompt_cache_key": "k"},
    "prompt_cache_options": {"prompt_cache_options": {"mode": "explicit"}},
    "prompt_cache_retention": {"prompt_cache_retention": "24h"},
    "reasoning_effort": {"reasoning_effort": "low"},
    "response_format": {"response_format": {"type": "json_object"}},
    "safety_identifier": {"safety_identifier": "s"},
    "seed": {"seed": 7},
    "service_tier": {"service_tier": "flex"},
    "stop": {"stop": "END"},
    "store": {"store": True},
    "stream": {"stream": True},
    "stream_options": {"stream": True, "stream_options": {"include_usage": True}},
    "temperature": {"temperature": 0.5},
    "tool_choice": {"tools": [TOOL], "tool_choice": "required"},
    "tools": {"tools": [TOOL]},
    "top_logprobs": {"logprobs": True, "top_logprobs": 2},
    "top_p": {"top_p": 0.5},
    "user": {"user": "u"},
    "verbosity": {"verbosity": "low"},
    "web_search_options": {"web_search_options": {}},
}
"""A request that asks for something by each field."""

BASE = {"function_call": "functions", "parallel_tool_calls": "tools", "tool_choice": "tools", "stream_options": "stream"}
"""What to compare with, where a field alone says nothing."""

NOT_IN_THE_CALL = {"gemini": {"audio", "parallel_tool_calls", "stream_options"}, "claude": {"n", "stream_options", "modalities"}}
"""Fields that are mapped by what the gateway does, or only together with others: the upstream call does not show them."""
NOT_IN_THE_CALL["claude"] |= {"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"}

ROWS = [(model.family, model.id, name) for model in MODELS for name in sorted(FIELDS - {"messages", "model"})]


def disposition(family: str, model: str, name: str) -> str:
    if family == "gemini":
        return GEMINI_TABLE.rows[name].dispose(gemini_profile(model))
    return CLAUDE_TABLE.rows[name].dispose(claude_profile(model))


def upstream(family: str, request: dict[str, Any]) -> Scripted:
    streams, whole = (answers.gemini_stream, answers.gemini) if family == "gemini" else (answers.claude_stream, answers.claude)
    return streams("Hi") if request.get("stream") else whole("Hi")


async def ask(family: str, model: str, fields: dict[str, Any], *, strict: bool = False) -> tuple[httpx.Response, str]:
    fake = ScriptedUpstream(upstream(family, fields))
    request = {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}
    answer = await post(fake, request, settings(strict=strict, anthropic={"options": {"cache_policy": "never"}}))
    calls = [
        [sent.url, {name: sent.headers.get(name) for name in sorted(sent.headers) if name.startswith("x-vertex")}, sent.body]
        for sent in fake.sent
    ]
    return answer, json.dumps(calls[:1], sort_keys=True)


@pytest.mark.parametrize(("family", "model", "name"), ROWS)
async def test_each_field_meets_the_fate_that_the_table_says(family: str, model: str, name: str) -> None:
    fields = ASKING[name]
    fate = disposition(family, model, name)
    answer, call = await ask(family, model, fields)
    named = set(filter(None, answer.headers.get("x-chromagent-ignored", "").split(",")))
    weakened = set(filter(None, answer.headers.get("x-chromagent-downgraded", "").split(",")))
    if fate == "rejected":
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] in fields
        return
    if answer.status_code == 400:  # the field is known, this combination is not: it is said where
        assert (answer.json()["error"]["param"] or "").partition(".")[0].partition("[")[0] in {
            *fields,
            "modalities",
            "web_search_options",
        }
        return
    assert answer.status_code == 200
    _, plain = await ask(family, model, ASKING[BASE[name]] if name in BASE else {})
    if fate == "ignored":
        assert name in named
        assert call == plain
    elif name not in NOT_IN_THE_CALL[family] and name not in weakened and name not in named:
        assert call != plain
    refused, _ = await ask(family, model, fields, strict=True)
    assert (refused.status_code == 400) == bool(named or weakened)


@pytest.mark.parametrize("family", ["gemini", "claude"])
async def test_unknown_fields_are_ignored_and_named(family: str) -> None:
    model = "gemini-3.8-flash" if family == "gemini" else "claude-sonnet-4-6"
    answer, call = await ask(family, model, {"chat_template_kwargs": {}, "min_p": 0.1})
    assert answer.headers["x-chromagent-ignored"] == "chat_template_kwargs,min_p"
    assert call == (await ask(family, model, {}))[1]


async def test_the_model_list_publishes_the_table() -> None:
    app: Any = create_app(settings(), transport=ScriptedUpstream(answers.gemini()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        listed = {model["id"]: model["chromagent"] for model in (await http.get("/v1/models")).json()["data"]}
    for model in MODELS:
        assert listed[model.id]["parameters"] == {
            name: disposition(model.family, model.id, name) for name in listed[model.id]["parameters"]
        }
        assert set(listed[model.id]["parameters"]) == FIELDS
        assert listed[model.id]["backend"] == ("vertex-gemini" if model.family == "gemini" else "vertex-anthropic")


@pytest.mark.parametrize("mark", ["gemini", "claude"])
def test_the_documentation_shows_the_table(mark: str) -> None:
    text = (ROOT / "docs/parameters.md").read_text()
    lines = text.partition(f"<!-- {mark} -->\n")[2].partition(f"\n<!-- /{mark} -->")[0].splitlines()
    models = [cell.strip() for cell in lines[0].split("|")[2:-2]]
    shown: dict[str, list[str]] = {}
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.split("|")]
        shown[re.sub("`", "", cells[1])] = cells[2:-2]
    assert len(models) == 4
    assert set(shown) >= FIELDS
    for name, fates in shown.items():
        assert fates == [disposition(mark, model, name) for model in models]
