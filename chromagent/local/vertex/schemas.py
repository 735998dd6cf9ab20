"""A valid instance of a JSON Schema, of words at hand. Understands Google's typed spelling too (`STRING`, `nullable`)."""

from collections.abc import Iterator, Sequence
from typing import Final, cast

from chromagent.codec import JsonObject, JsonValue

_DEEPEST: Final = 8
_TEXTS: Final = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}


class InstanceMaker:
    """Makes instances; strings are filled from the words in turn."""

    def __init__(self, root: JsonObject, words: Sequence[str]) -> None:
        self._root = root
        self._words = self._cycle(words or ("example",))

    def make(self, schema: JsonValue | None = None, depth: int = 0) -> JsonValue:
        """Make an instance of the root, or of one of its schemas."""
        node = self._resolve(self._root if schema is None else schema)
        if "const" in node:
            return node["const"]
        if node.get("enum"):
            return node["enum"][0]
        branches = node.get("anyOf") or node.get("oneOf")
        if branches:
            return self.make(self._choose(branches, depth), depth + 1)
        kind = _kind(node, nullable=depth > _DEEPEST)
        if kind == "object":
            return self._make_object(node, depth)
        if kind == "array":
            return self._make_array(node, depth)
        return self._make_scalar(node, kind)

    def _choose(self, branches: list[JsonValue], depth: int) -> JsonValue:
        """Take the first alternative, and null where it goes deep."""
        null = next((branch for branch in branches if _kind(self._resolve(branch)) == "null"), None)
        return null if null is not None and depth >= _DEEPEST else branches[0]

    def _resolve(self, schema: JsonValue) -> JsonObject:
        seen = 0
        while isinstance(schema, dict) and "$ref" in schema and seen < _DEEPEST:
            found: JsonValue = self._root
            for step in str(cast("JsonObject", schema)["$ref"]).removeprefix("#").strip("/").split("/"):
                found = found[step] if step else found
            schema, seen = found, seen + 1
        return cast("JsonObject", schema) if isinstance(schema, dict) else {}

    def _make_object(self, node: JsonObject, depth: int) -> JsonObject:
        required = node.get("required", [])
        made: JsonObject = {}
        for name, schema in node.get("properties", {}).items():
            if name in required or depth < 2:
                made[name] = self.make(schema, depth + 1)
        others = node.get("additionalProperties")
        if not made and isinstance(others, dict):
            made[next(self._words)] = self.make(cast("JsonObject", others), depth + 1)
        return made

    def _make_array(self, node: JsonObject, depth: int) -> list[JsonValue]:
        made = [self.make(schema, depth + 1) for schema in node.get("prefixItems", [])]
        items = node.get("items")
        least = max(node.get("minItems", 0), 0 if depth > _DEEPEST // 2 else 1)
        while isinstance(items, dict) and len(made) < min(least, node.get("maxItems", least)):
            made.append(self.make(cast("JsonObject", items), depth + 1))
        return made

    def _make_scalar(self, node: JsonObject, kind: str) -> JsonValue:
        if kind in ("integer", "number"):
            least = node.get("minimum", node.get("exclusiveMinimum", 0))
            value = least + 1 if "exclusiveMinimum" in node or least == 0 else least
            return min(value, node["maximum"]) if "maximum" in node else value
        if kind == "boolean":
            return True
        if kind == "null":
            return None
        text = _TEXTS.get(node.get("format", ""), next(self._words))
        text = text.ljust(node.get("minLength", 0), ".")
        return text[: node["maxLength"]] if "maxLength" in node else text

    @staticmethod
    def _cycle(words: Sequence[str]) -> Iterator[str]:
        while True:
            yield from words


def _kind(node: JsonObject, *, nullable: bool = False) -> str:
    kind = node.get("type", "object" if "properties" in node else "string")
    kinds = [str(one).lower() for one in cast("list[JsonValue]", kind)] if isinstance(kind, list) else [str(kind).lower()]
    if nullable and ("null" in kinds or node.get("nullable")):
        return "null"
    return next((one for one in kinds if one != "null"), "null")
