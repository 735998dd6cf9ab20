"""The OpenAPI document against the app that it stands for, and against what the local gateway renders from the same template."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from chromagent.app import App, build_app
from chromagent.config import Backend, Settings
from chromagent.endpoints.middleware import Face
from chromagent.local import openapi
from tests.support.terraform import TREE, Terraform

VALUES = {
    "chat_address": "https://chat.example.com",
    "models_address": "https://models.example.com",
    "chat_deadline": 600,
    "models_deadline": 60,
    "chat_per_minute": 300,
    "models_per_minute": 600,
}


@pytest.fixture(scope="module")
def app() -> App:
    return build_app(
        Settings(backends={name: Backend(provider=name, project="p") for name in ("vertex-gemini", "vertex-anthropic")})
    )


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return yaml.safe_load(openapi.write(VALUES | {"security": "[{api_key: []}]"}))


def routes(face: Face) -> set[tuple[str, str]]:
    """Every method and path of an app's table of routes, spelt as the document does, and the preflight that each path has."""
    table = face._routes
    paths = dict(table._exact) | {f"{prefix}{{model=**}}": methods for prefix, methods in table._named.items()}
    found = {(method.lower(), path) for path, methods in paths.items() for method in (*methods, "OPTIONS")}
    return found | {(method, f"/v1{path}") for method, path in found}


def operations(document: dict[str, Any], address: str) -> set[tuple[str, str]]:
    return {
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["x-google-backend"]["address"] == address
    }


def test_the_document_has_every_route_of_the_app_and_no_other(app: App, document: dict[str, Any]) -> None:
    to_models = operations(document, "https://models.example.com")
    to_chat = operations(document, "https://chat.example.com")
    assert to_models == routes(app.models)
    assert to_chat == routes(app.chat) - routes(app.models)
    assert len(to_models | to_chat) == 18


def test_every_operation_has_an_id_of_its_own_and_keeps_its_path(document: dict[str, Any]) -> None:
    found = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in found}) == len(found)
    assert {operation["x-google-backend"]["path_translation"] for operation in found} == {"APPEND_PATH_TO_ADDRESS"}
    assert {operation["x-google-backend"]["deadline"] for operation in found} == {60, 600}


@pytest.mark.parametrize(
    ("limits", "security"),
    [
        ("{chat={requests_per_minute=300}}", "[{api_key: []}]"),
        ("{chat={requests_per_minute=300, enabled=false}, models={enabled=false}}", "[]"),
    ],
)
def test_the_local_gateway_renders_what_terraform_renders(tf: Terraform, tmp_path: Path, limits: str, security: str) -> None:
    module = tf.init(tf.tree / "modules" / "spec")
    addresses = f'{{chat="{VALUES["chat_address"]}", models="{VALUES["models_address"]}"}}'
    state = f"-state={tmp_path / 'state'}"
    tf.run(module, "apply", "-auto-approve", "-input=false", state, f"-var=addresses={addresses}", f"-var=limits={limits}")
    rendered = tf.run(module, "output", "-raw", state, "document")
    assert openapi.parse(rendered) == openapi.load(VALUES | {"security": security})
    assert openapi.write(VALUES | {"security": security}) == rendered


def test_the_template_is_where_the_package_looks_for_it() -> None:
    assert TREE / "modules" / "spec" / "openapi.yaml.tftpl" == openapi.TEMPLATE
