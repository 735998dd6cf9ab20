"""JSON Schemas as Anthropic accepts them: at the root of a tool, and everywhere in a structured output.

Source: wire-anthropic §2.5.1 and §2.7.2. A schema that cannot be expressed natively is no error: another method is used for it.
"""

import re
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Final, NamedTuple, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema.reading import Place
from chromagent.translators.budget import SchemaBudget, TooLarge
from chromagent.translators.lenient import as_list, as_object, member

DEEPEST: Final = 64
MOST_NODES: Final = 20_000
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_NOTED: Final = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
    }
    | {"minProperties", "maxProperties"}
)
_IMPOSSIBLE: Final = frozenset(
    {"not", "if", "then", "else", "patternProperties", "dependentSchemas", "dependentRequired", "prefixItems", "contains"}
    | {"unevaluatedProperties", "unevaluatedItems", "propertyNames"}
)
_KEPT: Final = frozenset(
    {"type", "properties", "required", "items", "minItems", "enum", "const", "anyOf", "$ref", "description", "title", "default"}
    | {"format", "pattern"}
)
"""All that structured outputs take as it is; what is neither here nor above describes no instance and is left out."""
_COMBINING: Final = frozenset({"definitions", "$ref", "allOf", "anyOf", "oneOf"})
_LOOKAROUND: Final = re.compile(r"\(\?[=!<]|\\[1-9]")
_MOST_OPTIONAL: Final = 24
_MOST_UNIONS: Final = 16
_LARGEST_KEPT: Final = 16_384
"""Bytes of a tool's schema whose strictness is remembered."""
_MOST_KEPT: Final = 256
NOT_ALL_COMBINE: Final = "Not all properties can be combined."


class InputSchema(NamedTuple):
    """The schema of a tool's input."""

    schema: JsonObject
    loose: bool
    """Alternatives at the root were united: not every instance is meant."""


def input_schema(parameters: JsonValue, place: Place, budget: SchemaBudget) -> InputSchema:
    """Make the root of a function's parameters an object; everything below stays. Raises `InvalidRequest`."""
    if parameters is None or parameters is True or parameters == {}:
        return InputSchema({"type": "object", "properties": {}}, loose=False)
    if not isinstance(parameters, dict):
        raise _no_object(place)
    given = cast("JsonObject", parameters)
    try:
        root, loose = (_unaddressed(given), False) if _COMBINING.isdisjoint(given) else _combined(given, budget)
    except TooLarge as error:
        message = f"The schema in '{place}' is too large when its references and alternatives are written out."
        raise InvalidRequest(message, param=str(place), code="invalid_value") from error
    kind = root.get("type", "object")
    if kind != "object" and "object" not in as_list(kind):
        raise _no_object(place)
    rest = {key: value for key, value in root.items() if key != "type"}
    rest.setdefault("properties", {})
    return InputSchema({"type": "object", **rest}, loose)


def _unaddressed(schema: JsonObject) -> JsonObject:
    """Leave out what says where a schema is from."""
    return {key: value for key, value in schema.items() if key not in ("$schema", "$id")}


def _combined(schema: JsonObject, budget: SchemaBudget) -> tuple[JsonObject, bool]:
    """Put a root of several schemas together; the second says that some were alternatives. Raises `TooLarge`."""
    budget.admit(len(codec.encode(schema)))
    root = _renamed(schema)
    if isinstance(pointer := root.get("$ref"), str):
        target = as_object(_find(root, pointer))
        root = {**{key: root[key] for key in ("$defs",) if key in root}, **target}
    root = _unaddressed(root)
    for _ in range(DEEPEST):  # what must hold together may hold parts that must hold together
        branches = as_list(root.pop("allOf", None))
        if not branches:
            break
        root = _unite([root, *(_target(root, as_object(branch)) for branch in branches)], budget)
    root.pop("allOf", None)
    alternatives = [as_object(branch) for key in ("anyOf", "oneOf") for branch in as_list(root.pop(key, None))]
    alternatives = [branch for branch in alternatives if branch.get("type", "object") == "object"]
    return (_unite_alternatives(root, alternatives), True) if alternatives else (root, False)


def _no_object(place: Place) -> InvalidRequest:
    message = f"The schema in '{place}' must describe an object."
    return InvalidRequest(message, param=str(place), code="invalid_function_parameters")


def _unite(schemas: list[JsonObject], budget: SchemaBudget) -> JsonObject:
    """Put schemas together that hold at the same time: all properties, all that is required; of other members the first counts.

    The last schema's members come first. Raises `TooLarge`.
    """
    united: JsonObject = {}
    properties: JsonObject = {}
    for schema in reversed(schemas):
        here = member(schema, "properties")
        budget.spend(entries=len(schema) + len(here) + len(as_list(schema.get("required"))))
        united |= schema
        properties |= here
    names = (name for schema in schemas for name in as_list(schema.get("required")))
    required = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    if properties:
        united["properties"] = properties
    if required:
        united["required"] = required
    return united


def _unite_alternatives(root: JsonObject, alternatives: list[JsonObject]) -> JsonObject:
    properties = dict(member(root, "properties"))
    for branch in alternatives:
        for name, schema in member(branch, "properties").items():
            properties.setdefault(name, schema)
    common = set[str].intersection(*(_names(branch) for branch in alternatives))
    listed = [name for name in as_list(alternatives[0].get("required")) if isinstance(name, str) and name in common]
    required = list(dict.fromkeys([*(name for name in as_list(root.get("required")) if isinstance(name, str)), *listed]))
    united = {key: value for key, value in root.items() if key != "required"} | {"properties": _in_order(properties, alternatives)}
    return {**united, "required": required} if required else united


def _names(schema: JsonObject) -> set[str]:
    """Return the names of the required properties."""
    return {name for name in as_list(schema.get("required")) if isinstance(name, str)}


def _in_order(properties: JsonObject, alternatives: list[JsonObject]) -> JsonObject:
    """Keep the order in which the alternatives name the properties: rendering must not depend on how they were merged."""
    order = dict.fromkeys(name for branch in alternatives for name in member(branch, "properties"))
    return {name: properties[name] for name in [*order, *(name for name in properties if name not in order)]}


def _renamed(schema: JsonObject) -> JsonObject:
    """Call definitions `$defs`, as later drafts do."""
    if "definitions" not in schema:
        return schema
    text = codec.encode_text({key: value for key, value in schema.items() if key != "definitions"})
    definitions = codec.encode_text({**as_object(schema["definitions"]), **member(schema, "$defs")})
    renamed = as_object(codec.decode(text.replace('"#/definitions/', '"#/$defs/')))
    return {**renamed, "$defs": codec.decode(definitions.replace('"#/definitions/', '"#/$defs/'))}


def _find(root: JsonObject, pointer: str) -> JsonValue:
    found: JsonValue = root
    for step in pointer.removeprefix("#").strip("/").split("/"):
        found = as_object(found).get(step.replace("~1", "/").replace("~0", "~")) if step else found
    return found


def _target(root: JsonObject, schema: JsonObject) -> JsonObject:
    pointer = schema.get("$ref")
    return as_object(_find(root, pointer)) if isinstance(pointer, str) else schema


class NotExpressibleError(Exception):
    """The schema says something that structured outputs cannot say."""


def structured(schema: JsonObject, budget: SchemaBudget) -> JsonObject:
    """Rewrite a schema for `output_config.format`. Raises `NotExpressibleError`."""
    budget.admit(len(codec.encode(schema)))
    return _structured(schema, budget)


def is_strict(schema: JsonObject, budget: SchemaBudget) -> bool:
    """Say whether a schema, unchanged, is within what structured outputs take."""
    encoded = codec.encode(schema)
    budget.admit(len(encoded))
    if len(encoded) > _LARGEST_KEPT:
        return _is_strict(schema, budget)
    strict, steps = _is_strict_kept(encoded)
    try:
        budget.spend(steps)
    except TooLarge:
        return False
    return strict


@lru_cache(maxsize=_MOST_KEPT)
def _is_strict_kept(encoded: bytes) -> tuple[bool, int]:
    """Clients send the same tools with every turn of a conversation. The second is what it took of a budget."""
    budget = SchemaBudget(len(encoded))
    return _is_strict(codec.decode(encoded), budget), budget.spent


def _is_strict(schema: JsonObject, budget: SchemaBudget) -> bool:
    try:
        return _structured(schema, budget) == schema
    except NotExpressibleError:
        return False


def _structured(schema: JsonObject, budget: SchemaBudget) -> JsonObject:
    try:
        return _Rewriter(_renamed(schema), budget).rewrite_root()
    except TooLarge as error:
        raise NotExpressibleError from error


class _Rewriter:
    """Rewrites one document, in the order of its keys."""

    def __init__(self, root: JsonObject, budget: SchemaBudget) -> None:
        self._root = root
        self._budget = budget
        self._nodes = 0
        self._optional = 0
        self._unions = 0

    def rewrite_root(self) -> JsonObject:
        """Rewrite the document; the root must be an object."""
        root = self._root
        if isinstance(pointer := root.get("$ref"), str):
            root = {**as_object(_find(self._root, pointer)), "$defs": self._root.get("$defs", {})}
        if root.get("type", "object") != "object" or "anyOf" in root or "oneOf" in root:
            raise NotExpressibleError
        rewritten = self._rewrite(root, 0)
        definitions = member(self._root, "$defs")
        if definitions and self._refers(rewritten):
            self._refuse_recursion(definitions)
            rewritten["$defs"] = {name: self._rewrite(schema, 0) for name, schema in definitions.items()}
        if self._optional > _MOST_OPTIONAL or self._unions > _MOST_UNIONS:
            raise NotExpressibleError
        return rewritten

    def _refers(self, schema: JsonObject) -> bool:
        return '"$ref":' in codec.encode_text(schema)

    def _refuse_recursion(self, definitions: JsonObject) -> None:
        """Structured outputs know no recursion."""
        references = {
            name: set(re.findall(r'"\$ref":"#/\$defs/([^"]+)"', codec.encode_text(schema))) for name, schema in definitions.items()
        }
        try:
            TopologicalSorter({name: targets & references.keys() for name, targets in references.items()}).prepare()
        except CycleError as error:
            raise NotExpressibleError from error

    def _rewrite(self, schema: JsonValue, depth: int) -> JsonObject:
        self._nodes += 1
        self._budget.spend()
        if depth > DEEPEST or self._nodes > MOST_NODES or not isinstance(schema, dict):
            raise NotExpressibleError
        node = self._without_all_of(cast("JsonObject", schema))
        if not _IMPOSSIBLE.isdisjoint(node):
            raise NotExpressibleError
        if isinstance(pointer := node.get("$ref"), str) and not pointer.startswith("#/$defs/"):
            raise NotExpressibleError
        rewritten: JsonObject = {}
        notes: list[str] = []
        for key, value in node.items():
            if self._is_noted(key, value, node):
                notes.append(f"{key}: {codec.encode_text(value)}")
            elif key in _KEPT:
                rewritten[key] = self._member(key, value, depth)
        if alternatives := [
            *as_list(rewritten.get("anyOf")),
            *(self._rewrite(one, depth + 1) for one in as_list(node.get("oneOf"))),
        ]:
            rewritten["anyOf"] = alternatives
            self._unions += 1
        self._close_object(node, rewritten)
        if node.get("nullable") is True and isinstance(rewritten.get("type"), str):
            rewritten["type"] = [rewritten["type"], "null"]
        self._unions += isinstance(rewritten.get("type"), list)
        if notes:
            text = "{" + ", ".join(notes) + "}"
            rewritten["description"] = f"{rewritten['description']}\n\n{text}" if rewritten.get("description") else text
        return rewritten

    def _without_all_of(self, node: JsonObject) -> JsonObject:
        members = [as_object(one) for one in as_list(node.get("allOf"))]
        if not members:
            return node
        rest = {key: value for key, value in node.items() if key != "allOf"}
        if len(members) == 1 and "$ref" in members[0] and not rest.keys() - {"description", "default", "title"}:
            return {**members[0], **rest}
        if any("$ref" in one or one.get("type", "object") != "object" for one in members):
            raise NotExpressibleError
        return _unite([rest, *members], self._budget)

    def _is_noted(self, key: str, value: JsonValue, node: JsonObject) -> bool:
        if key in _NOTED and not (key == "uniqueItems" and value is False):
            return True
        if key == "minItems":
            return not isinstance(value, int) or value > 1
        if key == "pattern":
            return not isinstance(value, str) or _LOOKAROUND.search(value) is not None
        del node
        return key == "format" and not (isinstance(value, str) and value in _FORMATS)

    def _member(self, key: str, value: JsonValue, depth: int) -> JsonValue:
        if key == "properties":
            return {name: self._rewrite(schema, depth + 1) for name, schema in as_object(value).items()}
        if key == "items":
            return self._rewrite(value, depth + 1)
        if key == "anyOf":
            return [self._rewrite(one, depth + 1) for one in as_list(value)]
        if key == "enum" and any(isinstance(one, dict | list) for one in as_list(value)):
            raise NotExpressibleError
        if key == "const" and isinstance(value, dict | list):
            raise NotExpressibleError
        return value

    def _close_object(self, node: JsonObject, rewritten: JsonObject) -> None:
        is_object = rewritten.get("type") == "object" or "object" in as_list(rewritten.get("type")) or "properties" in rewritten
        if not is_object:
            return
        others = node.get("additionalProperties")
        if others not in (None, False) and not rewritten.get("properties"):
            raise NotExpressibleError
        rewritten.setdefault("type", "object")
        rewritten["additionalProperties"] = False
        required = _names(rewritten)
        self._optional += sum(name not in required for name in as_object(rewritten.get("properties")))
