"""A cleaned JSON Schema → Google's typed `Schema`, for endpoints that do not know the JSON Schema fields.

Source: wire-gemini §2.7, column "openapi mode". There is no `$ref` in that form, so references are written out to a limited depth;
what cannot be said is put into the description.
"""

from typing import Final, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.translators.budget import SchemaBudget
from chromagent.translators.gemini.schema_merging import spend_on_copy

_DEEPEST_REFERENCE: Final = 3
_FORMATS: Final = {"STRING": ("enum", "date-time"), "NUMBER": ("float", "double"), "INTEGER": ("int32", "int64")}
_KEPT: Final = (
    "description",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "pattern",
)


def to_openapi(document: JsonObject, budget: SchemaBudget) -> JsonObject:
    """Rewrite a cleaned document. Raises `TooLarge` when the references, written out, are too much."""
    return _Writer(cast("dict[str, JsonObject]", document.get("$defs", {})), budget).write(document)


class _Writer:
    def __init__(self, definitions: dict[str, JsonObject], budget: SchemaBudget) -> None:
        self._definitions = definitions
        self._budget = budget
        self._open: list[str] = []

    def write(self, schema: JsonObject) -> JsonObject:
        """Write one schema, never without a type: an untyped one makes Gemini 3 write malformed calls."""
        spend_on_copy(schema, self._budget)
        if "$ref" in schema:
            return self._write_reference(schema)
        if "anyOf" in schema:
            return self._write_alternatives(schema)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        types = cast("list[str]", kind) if isinstance(kind, list) else [kind]
        name = next((one for one in types if one != "null"), "string").upper()
        written: JsonObject = {"type": name, **{key: schema[key] for key in _KEPT if key in schema}}
        if "null" in types:
            written["nullable"] = True
        self._write_values(schema, written)
        self._write_parts(schema, written)
        return written

    def _write_reference(self, schema: JsonObject) -> JsonObject:
        name = schema["$ref"].removeprefix("#/$defs/")
        if self._open.count(name) >= _DEEPEST_REFERENCE:
            return {"type": "OBJECT"}
        self._open.append(name)
        written = self.write(self._definitions[name])
        self._open.pop()
        return self._add(written, {"description": schema["description"]}) if "description" in schema else written

    def _write_alternatives(self, schema: JsonObject) -> JsonObject:
        branches = cast("list[JsonObject]", schema["anyOf"])
        written: list[JsonObject] = []
        for branch in branches:
            if branch.get("type") != "null":
                inner = self.write(branch)
                found = cast("list[JsonObject]", inner.get("anyOf", [inner]))
                self._budget.spend(0, entries=len(found))
                written += found
        if not written:
            return {"type": "STRING", "nullable": True}
        whole: JsonObject = {"anyOf": written} if len(written) > 1 else written[0]
        if any(branch.get("type") == "null" for branch in branches):
            whole = self._add(whole, {"nullable": True})
        description = schema.get("description")
        return whole if description is None else self._add(whole, {"description": description}, missing_only=True)

    def _write_values(self, schema: JsonObject, written: JsonObject) -> None:
        if (values := schema.get("enum")) is not None:
            if written["type"] == "STRING":
                written["enum"] = values
            else:
                _note(written, f"Allowed values: {', '.join(codec.encode_text(value) for value in values)}.")
        form = schema.get("format")
        if form in _FORMATS.get(written["type"], ()):
            written["format"] = form
        elif form is not None:
            _note(written, f"Format: {form}.")
        default = schema.get("default")
        if isinstance(default, str | int | float):
            written["default"] = default

    def _write_parts(self, schema: JsonObject, written: JsonObject) -> None:
        if "properties" in schema:
            members = cast("dict[str, JsonObject]", schema["properties"])
            written["properties"] = {name: self.write(member) for name, member in members.items()}
        for name in ("required", "propertyOrdering"):
            if name in schema:
                written[name] = schema[name]
        if written["type"] == "ARRAY":
            written["items"] = self._write_items(schema)

    def _write_items(self, schema: JsonObject) -> JsonObject:
        members: list[JsonValue] = list(schema.get("prefixItems", []))
        if isinstance(schema.get("items"), dict):
            members.append(schema["items"])
        if not members:
            return {"type": "STRING"}
        return self.write(members[0] if len(members) == 1 else {"anyOf": members})

    def _add(self, written: JsonObject, members: JsonObject, *, missing_only: bool = False) -> JsonObject:
        """Add members to a schema; `anyOf` must stand alone, so its branches take them."""
        spend_on_copy(members, self._budget)
        if "anyOf" in written:
            return {"anyOf": [self._add(branch, members, missing_only=missing_only) for branch in written["anyOf"]]}
        return {**members, **written} if missing_only else {**written, **members}


def _note(written: JsonObject, text: str) -> None:
    written["description"] = f"{written['description']} {text}" if written.get("description") else text
