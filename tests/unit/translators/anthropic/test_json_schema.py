"""Whatever schema a client sends, for a tool or for the answer: Claude takes what comes of it, or it is a 400."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromagent.errors import InvalidRequest
from chromagent.local.vertex import claude_rules
from chromagent.local.vertex.families import claude_family
from tests.support import json_schemas, translating
from tests.support.processes import ROOT
from tests.support.tool_models import MODELS

MODEL = "claude-sonnet-4-6"


def check(body: dict[str, Any], model: str = MODEL) -> None:
    """Refuse what Claude refuses."""
    family = claude_family(model)
    assert family is not None
    claude_rules.check(body, family, betas=[], stream=False)


def tool(schema: Any, **more: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema, **more}}]}


def answer(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": schema}}}


@given(json_schemas.DOCUMENTS, st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_parameters_become_a_tool_or_a_400(document: dict[str, Any], strict: bool) -> None:
    try:
        body = translating.anthropic(None, None, **tool(document, strict=strict)).body
    except InvalidRequest as error:
        assert error.param is not None
        assert error.param.startswith("tools.[0]")
        return
    check(body)


@pytest.mark.parametrize("model", [MODEL, "claude-opus-5-5", "claude-haiku-4-5"])
@given(document=json_schemas.DOCUMENTS)
@settings(max_examples=60, deadline=None)
def test_any_answer_format_becomes_a_request_or_a_400(model: str, document: dict[str, Any]) -> None:
    try:
        body = translating.anthropic(None, None, model=model, **answer(document)).body
    except InvalidRequest as error:
        assert error.param is not None
        assert error.param.startswith("response_format")
        return
    check(body, translating.AnthropicTranslator(translating.AnthropicOptions()).resolve(model, project="p", location="global"))


@given(json_schemas.SENSIBLE)
@settings(max_examples=150, deadline=None)
def test_no_property_of_a_tool_is_lost(document: dict[str, Any]) -> None:
    schema = translating.anthropic(None, None, **tool(document)).body["tools"][0]["input_schema"]
    assert json_schemas.property_names(schema, schema) == json_schemas.property_names(document, document)


REAL = [pytest.param(model.model_json_schema(), id=f"pydantic-{model.__name__}") for model in MODELS]
REAL += [
    pytest.param(json.loads(path.read_text())["schema"], id=path.stem)
    for path in sorted((ROOT / "tests/cases/schemas").glob("zod-*.json"))
]


@pytest.mark.parametrize("document", REAL)
@pytest.mark.parametrize("strict", [False, True])
def test_schemas_of_real_tools_are_taken(document: dict[str, Any], strict: bool) -> None:
    body = translating.anthropic(None, None, **tool(document, strict=strict)).body
    check(body)
    schema = body["tools"][0]["input_schema"]
    assert json_schemas.property_names(schema, schema) == json_schemas.property_names(document, document)


@pytest.mark.parametrize("document", REAL)
def test_schemas_of_real_answers_are_taken_in_one_way_or_another(document: dict[str, Any]) -> None:
    body = translating.anthropic(None, None, **answer(document)).body
    check(body)
    asked = [
        "format" in body.get("output_config", {}),
        any(one["name"] == "json_output" for one in body.get("tools", [])),
        "JSON" in json.dumps(body["messages"][-1]),
    ]
    assert sum(asked) >= 1
