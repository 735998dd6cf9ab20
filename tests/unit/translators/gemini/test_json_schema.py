"""Whatever schema a client sends: it ends, it is what Gemini accepts, and no property is lost or renamed."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings

from chromagent.errors import InvalidRequest
from chromagent.local.vertex.gemini_rules import check_json_schema, check_typed
from chromagent.local.vertex.shapes import inner_schemas
from chromagent.schema.reading import Place
from chromagent.translators.budget import SchemaBudget
from chromagent.translators.gemini import json_schema
from chromagent.translators.gemini.openapi_schema import to_openapi
from tests.support import json_schemas
from tests.support.processes import ROOT
from tests.support.tool_models import MODELS

PLACE = Place(("tools", 0, "function", "parameters"))


def references(schema: Any) -> set[str]:
    """What a cleaned schema refers to; names of properties are no references."""
    found = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set[str]()
    for inner, _ in inner_schemas(schema, ""):
        found |= references(inner)
    return found


@given(json_schemas.DOCUMENTS)
@settings(max_examples=150, deadline=None)
def test_any_document_becomes_what_gemini_accepts_or_a_400(document: dict[str, Any]) -> None:
    before = deepcopy(document)
    try:
        cleaned = json_schema.clean(document, PLACE, SchemaBudget(), code="invalid_json_schema").schema
    except InvalidRequest as error:
        assert error.param == str(PLACE)
        return
    finally:
        assert document == before
    check_json_schema(cleaned, "schema")
    assert references(cleaned) <= {f"#/$defs/{name}" for name in cleaned.get("$defs", {})}
    json.dumps(cleaned, allow_nan=False)


@given(json_schemas.DOCUMENTS)
@settings(max_examples=100, deadline=None)
def test_any_document_becomes_the_older_language_or_a_400(document: dict[str, Any]) -> None:
    try:
        cleaned = json_schema.clean(document, PLACE, SchemaBudget(), code="invalid_json_schema").schema
    except InvalidRequest:
        return
    check_typed(to_openapi(cleaned, SchemaBudget()), "schema")


@given(json_schemas.DOCUMENTS)
@settings(max_examples=100, deadline=None)
def test_parameters_are_an_object_nothing_or_a_400(document: dict[str, Any]) -> None:
    try:
        cleaned = json_schema.clean_parameters(document, PLACE, SchemaBudget())
    except InvalidRequest as error:
        assert error.param == str(PLACE)
        return
    if cleaned is not None:
        assert cleaned.schema["type"] == "object"
        check_json_schema(cleaned.schema, "schema")


@given(json_schemas.SENSIBLE)
@settings(max_examples=150, deadline=None)
def test_no_property_is_lost_or_renamed(document: dict[str, Any]) -> None:
    cleaned = json_schema.clean_parameters(document, PLACE, SchemaBudget())
    assert cleaned is not None
    assert json_schemas.property_names(cleaned.schema, cleaned.schema) == json_schemas.property_names(document, document)


@given(json_schemas.SENSIBLE)
@settings(max_examples=100, deadline=None)
def test_what_is_clean_stays_as_it_is(document: dict[str, Any]) -> None:
    once = json_schema.clean(document, PLACE, SchemaBudget(), code="invalid_json_schema").schema
    assert json_schema.clean(once, PLACE, SchemaBudget(), code="invalid_json_schema").schema == once


def test_a_schema_nested_too_deeply_is_a_400() -> None:
    document: dict[str, Any] = {"type": "object"}
    for _ in range(70):
        document = {"type": "object", "properties": {"a": document}}
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        json_schema.clean_parameters(document, PLACE, SchemaBudget())


def test_definitions_that_double_at_every_step_do_not_explode() -> None:
    definitions: dict[str, Any] = {f"d{step}": {"anyOf": [{"$ref": f"#/$defs/d{step + 1}"}] * 2} for step in range(40)}
    definitions["d40"] = {"type": "string"}
    cleaned = json_schema.clean_parameters(
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions}, PLACE, SchemaBudget()
    )
    assert cleaned is not None
    assert len(json.dumps(cleaned.schema)) < 20_000


ZOD = sorted((ROOT / "tests/cases/schemas").glob("zod-*.json"))
REAL = [pytest.param(model.model_json_schema(), id=f"pydantic-{model.__name__}") for model in MODELS]
REAL += [pytest.param(json.loads(path.read_text())["schema"], id=path.stem) for path in ZOD]


@pytest.mark.parametrize("document", REAL)
def test_schemas_of_real_tools_keep_every_property_and_are_accepted(document: dict[str, Any]) -> None:
    cleaned = json_schema.clean_parameters(document, PLACE, SchemaBudget())
    assert cleaned is not None
    check_json_schema(cleaned.schema, "schema")
    check_typed(to_openapi(cleaned.schema, SchemaBudget()), "schema")
    assert json_schemas.property_names(cleaned.schema, cleaned.schema) == json_schemas.property_names(document, document)


@pytest.mark.parametrize("document", REAL)
def test_what_is_required_stays_required_but_in_endless_loops(document: dict[str, Any]) -> None:
    cleaned = json_schema.clean_parameters(document, PLACE, SchemaBudget())
    assert cleaned is not None
    root = document["$defs"][document["$ref"].removeprefix("#/$defs/")] if "$ref" in document else document
    assert cleaned.schema.get("required", []) == root.get("required", [])
