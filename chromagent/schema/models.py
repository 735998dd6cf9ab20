"""`GET /v1/models` as clients get it: OpenAI's model object, and what this gateway adds to it."""

from chromagent.codec import JsonObject


def to_model(name: str, *, created: int, owned_by: str, extension: JsonObject) -> JsonObject:
    """Make OpenAI's model object; the extension stands under `chromagent`, where no client stumbles over it."""
    return {"id": name, "object": "model", "created": created, "owned_by": owned_by, "chromagent": extension}


def to_list(models: list[JsonObject]) -> JsonObject:
    """Make OpenAI's list object."""
    return {"object": "list", "data": models}
