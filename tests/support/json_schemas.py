"""Arbitrary JSON Schemas (draft 2020-12 and older habits) for property tests, and a reading of what they name."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(
    [
        "",
        "with space",
        *[
            "a",
            "b",
            "type",
            "title",
            "$ref",
            "enum",
            "properties",
            "required",
            "items",
            "const",
            "default",
            "anyOf",
            "additionalProperties",
            "$defs",
            "description",
            "format",
            "naïve",
            "x-y",
            "a/b",
            "a~b",
            "0",
        ],
    ]
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**60), st.floats(-10, 10), st.sampled_from(["", "x", "y", "long text"])
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(NAMES, SCALARS, max_size=2))
REFERENCES = st.sampled_from(
    ["#", "#/$defs/a", "#/$defs/b", "#/definitions/a", "#/properties/a", "#/$defs/a~1b", "#/$defs/with%20space"]
)

_PLAIN = {
    "title": st.text(max_size=5),
    "description": st.text(max_size=5),
    "default": VALUES,
    "examples": st.lists(VALUES, max_size=2),
    "enum": st.lists(VALUES, max_size=4),
    "const": VALUES,
    "nullable": st.booleans(),
    "type": st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=3)),
    "format": st.sampled_from(["date-time", "email", "uuid", "int32", "odd"]),
    "pattern": st.sampled_from(["^a", "[0-9]+"]),
    "minimum": st.one_of(st.integers(-5, 5), st.floats(-5, 5)),
    "maximum": st.integers(-5, 5),
    "exclusiveMinimum": st.one_of(st.booleans(), st.integers(-5, 5), st.floats(-5, 5)),
    "exclusiveMaximum": st.one_of(st.booleans(), st.integers(-5, 5)),
    "multipleOf": st.integers(1, 5),
    "minLength": st.integers(0, 5),
    "maxLength": st.integers(0, 5),
    "minItems": st.integers(0, 5),
    "maxItems": st.integers(0, 5),
    "uniqueItems": st.booleans(),
    "minProperties": st.integers(0, 2),
    "required": st.lists(NAMES, max_size=3),
    "deprecated": st.booleans(),
    "readOnly": st.booleans(),
    "$schema": st.just("https://json-schema.org/draft/2020-12/schema"),
    "$id": st.just("https://example.test/s"),
    "$comment": st.text(max_size=3),
    "x-vendor": VALUES,
    "contentEncoding": st.just("base64"),
    "dependentRequired": st.just({"a": ["b"]}),
    "$ref": REFERENCES,
}


def _inner(schema: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    named = st.dictionaries(NAMES, schema, max_size=3)
    several = st.lists(schema, min_size=0, max_size=3)
    return {
        "properties": named,
        "items": st.one_of(schema, several),
        "prefixItems": several,
        "additionalItems": schema,
        "additionalProperties": st.one_of(st.booleans(), schema),
        "patternProperties": st.dictionaries(st.just("^x"), schema, max_size=1),
        "propertyNames": schema,
        "anyOf": several,
        "oneOf": several,
        "allOf": several,
        "not": schema,
        "if": schema,
        "then": schema,
        "contains": schema,
        "$defs": named,
        "definitions": named,
    }


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={**_PLAIN, **_inner(inner)}).map(lambda found: dict(list(found.items())[:6]))


ANY = st.recursive(st.one_of(st.booleans(), st.fixed_dictionaries({}, optional=_PLAIN)), _objects, max_leaves=12)
"""Any schema, sensible or not."""

DOCUMENTS = st.tuples(ANY.filter(lambda schema: isinstance(schema, dict)), st.dictionaries(NAMES, ANY, max_size=3)).map(
    lambda pair: {**pair[0], "$defs": pair[1]}
)
"""Any schema with definitions, some of which may be referred to."""


def _sensible(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    described = {"title": st.text(max_size=4), "description": st.text(max_size=4), "deprecated": st.booleans()}
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, min_size=1, max_size=3)},
        optional={**described, "required": st.lists(NAMES, max_size=3), "additionalProperties": st.booleans()},
    )
    arrays = st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional=described)
    unions = st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}, optional=described)
    all_of = st.fixed_dictionaries({"allOf": st.lists(objects, min_size=1, max_size=2)})
    return st.one_of(objects, arrays, unions, all_of)


_LEAVES = st.one_of(
    st.fixed_dictionaries(
        {"type": TYPES.filter(lambda name: name not in ("object", "array"))}, optional={"title": st.text(max_size=3)}
    ),
    st.just({"$ref": "#/$defs/shared"}),
)
SENSIBLE = st.tuples(
    st.dictionaries(NAMES, st.recursive(_LEAVES, _sensible, max_leaves=10), min_size=1, max_size=3),
    st.recursive(_LEAVES.filter(lambda leaf: "$ref" not in leaf), _sensible, max_leaves=5),
).map(lambda pair: {"type": "object", "properties": pair[0], "$defs": {"shared": pair[1]}})
"""Parameters of a function as tools write them: every property in them is reachable and possible."""


def property_names(schema: Any, root: Any) -> set[str]:
    """Return the names of all properties that can be reached."""
    return set(_names(schema, root, set()))


def _names(schema: Any, root: Any, seen: set[str]) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    if isinstance(pointer := schema.get("$ref"), str) and pointer not in seen:
        seen.add(pointer)
        target = root
        for step in pointer.removeprefix("#").strip("/").split("/") if pointer != "#" else []:
            target = target[step.replace("~1", "/").replace("~0", "~")]
        yield from _names(target, root, seen)
    for name, inner in schema.get("properties", {}).items():
        yield name
        yield from _names(inner, root, seen)
    for keyword in ("items", "additionalProperties"):
        yield from _names(schema.get(keyword), root, seen)
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for inner in schema.get(keyword, []):
            yield from _names(inner, root, seen)
