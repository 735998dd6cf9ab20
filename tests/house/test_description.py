"""The description of the API, docs/openapi.json, is that of the code."""

import json
import re

import jsonschema_rs
import pytest

from chromagent.schema.chat import FIELDS
from tests.support.processes import ROOT
from tools import openapi


def test_the_page_is_what_the_code_gives() -> None:
    assert json.loads((ROOT / "docs" / "openapi.json").read_text()) == openapi.document()


def test_it_names_every_field_of_a_request() -> None:
    schema = openapi.document()["components"]["schemas"]["ChatCompletionRequest"]
    assert set(schema["properties"]) == FIELDS
    assert schema["required"] == ["messages", "model"]


@pytest.mark.parametrize("name", sorted(openapi.document()["components"]["schemas"]))
def test_its_schemas_are_schemas(name: str) -> None:
    document = openapi.document()
    jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def test_it_lists_the_statuses_of_the_page_of_errors() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    told = set(re.findall(r"^\|[^|]+\| (\d{3}) \|", page, re.MULTILINE))
    assert set(openapi.document()["paths"]["/v1/chat/completions"]["post"]["responses"]) == told | {"200"}
