"""Write docs/openapi.json, the description of what clients meet, from the code's own definitions. `--check` says if it is stale.

The request is the type that the endpoint checks it by, and errors are those of their tree. What an answer looks like is OpenAI's,
told here as far as this gateway promises it. It is documentation: nothing serves it at run time.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from chromagent import __version__, errors  # noqa: E402 - after the path
from chromagent.schema.chat import LONGEST_NAME, ChatCompletionRequest  # noqa: E402

TARGET = ROOT / "docs" / "openapi.json"
Schema = dict[str, Any]

ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
FINISH_REASONS: Final = ("stop", "length", "tool_calls", "content_filter", "function_call")
TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}


def record(required: Schema, **optional: Schema) -> Schema:
    """Describe an object that may have more members than these."""
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def reference(name: str) -> Schema:
    """Point to a schema of this document."""
    return {"$ref": f"#/components/schemas/{name}"}


def request_schema() -> Schema:
    """Describe the body of a chat request by the type that checks it."""
    schema = TypeAdapter(ChatCompletionRequest).json_schema()
    properties: Schema = {name: {k: v for k, v in one.items() if k != "title"} for name, one in schema["properties"].items()}
    properties["messages"] |= {"items": reference("Message"), "minItems": 1}
    properties["model"] |= {"minLength": 1, "maxLength": LONGEST_NAME}
    return {
        "additionalProperties": True,
        **{key: value for key, value in schema.items() if key != "title"},
        "properties": properties,
    }


def message_schema() -> Schema:
    """Describe a message as far as every model's is the same."""
    part = record({"type": TEXT})
    content: Schema = {"anyOf": [TEXT, {"type": "array", "items": part}, {"type": "null"}]}
    return record({"role": {"enum": list(ROLES)}}, content=content, name=TEXT, tool_call_id=TEXT)


def completion_schema() -> Schema:
    """Describe a whole answer."""
    choice = record(
        {
            "index": COUNT,
            "message": record({"role": {"const": "assistant"}, "content": {"type": ["string", "null"]}}),
            "logprobs": {"type": ["object", "null"]},
            "finish_reason": {"enum": list(FINISH_REASONS)},
        }
    )
    head: Schema = {"id": TEXT, "object": {"const": "chat.completion"}, "created": COUNT, "model": TEXT}
    return record({**head, "choices": {"type": "array", "minItems": 1, "items": choice}, "usage": reference("Usage")})


def error_schema() -> Schema:
    """Describe the one shape of errors."""
    types = sorted({kind.type for kind in error_kinds()})
    optional: Schema = {"type": ["string", "null"]}
    inner = record({"message": TEXT, "type": {"enum": types}, "param": optional, "code": optional})
    return record({"error": {**inner, "additionalProperties": False}}) | {"additionalProperties": False}


def error_kinds() -> list[type[errors.GatewayError]]:
    """List the errors that clients can see."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GatewayError)]
    return [kind for kind in kinds if kind.when]


def error_responses(*statuses: int) -> Schema:
    """Describe the errors with these statuses; without any, all."""
    found: dict[int, list[str]] = {}
    for kind in error_kinds():
        if not statuses or kind.status in statuses:
            found.setdefault(kind.status, []).append(f"`{kind.default_code}`: {kind.when}")
    content = {"application/json": {"schema": reference("Error")}}
    return {str(status): {"description": "; ".join(cases), "content": content} for status, cases in sorted(found.items())}


def good(description: str, **content: Schema) -> Schema:
    """Describe the answer of a request that went well."""
    return {"200": {"description": description, "content": {kind: {"schema": schema} for kind, schema in content.items()}}}


def document() -> Schema:
    """Put the document together."""
    chat: Schema = {
        "operationId": "createChatCompletion",
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference("ChatCompletionRequest")}}},
        "responses": good(
            "A completion, or with `stream` its chunks as server-sent events",
            **{"application/json": reference("Completion"), "text/event-stream": TEXT},
        )
        | error_responses(),
    }
    model_id: Schema = {"name": "id", "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}
    models = {"application/json": record({"object": {"const": "list"}, "data": {"type": "array", "items": reference("Model")}})}
    health = {"application/json": record({"status": {"enum": ["ok", "degraded"]}, "timestamp": TEXT})}
    asked = (401, 404, 429, 503)
    return {
        "openapi": "3.1.0",
        "info": {"title": "chromagent", "version": __version__, "description": "OpenAI's API in front of Vertex AI."},
        "security": [{"key": []}],
        "paths": {
            "/v1/chat/completions": {"post": chat},
            "/v1/models": {"get": {"operationId": "listModels", "responses": good("Models", **models) | error_responses(*asked)}},
            "/v1/models/{id}": {
                "get": {
                    "operationId": "retrieveModel",
                    "parameters": [model_id],
                    "responses": good("A model", **{"application/json": reference("Model")}) | error_responses(*asked),
                }
            },
            "/health": {"get": {"operationId": "health", "security": [], "responses": good("Alive", **health)}},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "ChatCompletionRequest": request_schema(),
                "Message": message_schema(),
                "Completion": completion_schema(),
                "Usage": record(dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNT)),
                "Model": record(
                    {"id": TEXT, "object": {"const": "model"}, "created": COUNT, "owned_by": TEXT}, chromagent={"type": "object"}
                ),
                "Error": error_schema(),
            },
        },
    }


def main() -> int:
    """Write or check the document; the exit status is 1 where it was out of date under `--check`."""
    text = json.dumps(document(), indent=1) + "\n"
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in sys.argv:
        print("docs/openapi.json is out of date: run make docs")
        return 1
    TARGET.write_text(text, encoding="utf-8")
    print("docs/openapi.json written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
