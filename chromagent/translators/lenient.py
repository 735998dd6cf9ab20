"""Reading what an upstream sent: anything may be missing or of another type, and then it counts as empty."""

from typing import cast

from chromagent.codec import JsonObject, JsonValue


def as_object(value: JsonValue) -> JsonObject:
    """Return an object, or an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def as_list(value: JsonValue) -> list[JsonValue]:
    """Return a list, or an empty one."""
    return cast("list[JsonValue]", value) if isinstance(value, list) else []


def member(container: JsonObject, name: str) -> JsonObject:
    """Return a member that should be an object."""
    return as_object(container.get(name))


def members(container: JsonObject, name: str) -> list[JsonObject]:
    """Return the objects of a member that should be a list of objects."""
    return [as_object(item) for item in as_list(container.get(name))]


def text(container: JsonObject, name: str) -> str:
    """Return a member that should be a string."""
    value = container.get(name)
    return value if isinstance(value, str) else ""


def count(container: JsonObject, name: str) -> int:
    """Return a member that should be a whole number."""
    value = container.get(name)
    return value if isinstance(value, int) else 0
