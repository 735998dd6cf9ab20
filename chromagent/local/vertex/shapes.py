"""Which members an object may have, and reading members that may be missing.

A table of names is walked along with the request, so that a misspelt field is found anywhere.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from chromagent.codec import JsonObject, JsonValue

ANY: Final = None
"""Marks a member whose insides are free."""
Shape = Mapping[str, Any]


def unknown(value: JsonValue, shape: Shape | None, path: str, join: Callable[[str, str | int], str]) -> Iterator[tuple[str, str]]:
    """Give the name and the path of every member that the shape does not have. A list in a shape means a list of such objects."""
    if shape is None or not isinstance(value, dict):
        return
    for name, member in cast("JsonObject", value).items():
        if name not in shape:
            yield name, path
            continue
        inner = shape[name]
        here = join(path, name)
        if isinstance(inner, list) and isinstance(member, list):
            only = cast("list[Shape]", inner)[0]
            for index, item in enumerate(cast("list[JsonValue]", member)):
                yield from unknown(item, only, join(here, index), join)
        elif not isinstance(inner, list):
            yield from unknown(member, inner, here, join)


def inner_schemas(schema: JsonObject, path: str) -> Iterator[tuple[JsonValue, str]]:
    """Give the schemas inside a JSON Schema, with their paths."""
    for group in ("properties", "$defs"):
        for name, inner in member(schema, group).items():
            yield inner, f"{path}.{group}.{name}"
    for group in ("anyOf", "oneOf", "prefixItems"):
        for number, inner in enumerate(values(schema, group)):
            yield inner, f"{path}.{group}.{number}"
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield schema[name], f"{path}.{name}"


def member(container: JsonObject, name: str) -> JsonObject:
    """Return a member that is an object, or an empty one."""
    value = container.get(name)
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def members(container: JsonObject, name: str) -> list[JsonObject]:
    """Return a member that is a list of objects, or an empty one."""
    value = container.get(name)
    return cast("list[JsonObject]", value) if isinstance(value, list) else []


def values(container: JsonObject, name: str) -> list[JsonValue]:
    """Return a member that is a list, or an empty one."""
    value = container.get(name)
    return cast("list[JsonValue]", value) if isinstance(value, list) else []
