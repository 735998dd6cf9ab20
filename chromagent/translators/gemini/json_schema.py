"""Any JSON Schema → the part of it that Gemini accepts. Hides references, alternatives, and keywords that would be refused.

Source: wire-gemini §2.7. Only schema positions are touched: a property named `type` or `$ref` is a name and survives.
Referenced schemas are cleaned once each and named in `$defs`. What grows all the same (merged and inlined schemas) is counted
against the budget of the request.
"""

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar, cast
from urllib.parse import unquote

import msgspec

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema.reading import Place
from chromagent.translators.budget import SchemaBudget, TooLarge
from chromagent.translators.gemini import schema_merging
from chromagent.translators.lenient import as_list, as_object

T = TypeVar("T")

DEEPEST: Final = 64
MOST_NODES: Final = 20_000
"""Schemas in one document, repetitions counted: far beyond what Google compiles."""

_MOST_KEPT: Final = 128
"""Schemas of functions whose cleaned form is kept."""
_LARGEST_KEPT: Final = 8 * 1024
"""Bytes of such a schema."""

NULL: Final[JsonObject] = {"type": "null"}
_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_KEPT: Final = (
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
)
_LOST: Final = frozenset(
    {"not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "propertyNames", "unevaluatedProperties"}
    | {"unevaluatedItems", "contains", "minContains", "maxContains"}
)
"""Constraints that Gemini cannot be told of."""
_ODD: Final = re.compile(r"[^A-Za-z0-9_.-]")
_BRANCH_ONLY: Final = frozenset({"description", "default"})
_APPLIES: Final = {
    "object": ("properties", "required", "additionalProperties", "propertyOrdering", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
}


class CleanSchema(msgspec.Struct):
    """A schema that Gemini accepts; `weakened` says that it allows more than the original."""

    schema: JsonObject
    weakened: bool


class _Target(NamedTuple):
    """What a `$ref` points to."""

    name: str
    schema: JsonValue


def clean(schema: JsonObject, place: Place, budget: SchemaBudget, *, code: str) -> CleanSchema:
    """Clean a schema of any root type. Raises `InvalidRequest` with the code for what cannot be read at all."""
    budget.admit(len(codec.encode(schema)))
    cleaner = _Cleaner(schema, place, code, budget)
    return CleanSchema(_bounded(cleaner.clean_root, place), cleaner.weakened)


def clean_parameters(schema: JsonObject, place: Place, budget: SchemaBudget) -> CleanSchema | None:
    """Clean the parameters of a function: an object at the root, or None for a function without parameters.

    What is returned may be returned again: it must not be changed.
    """
    encoded = codec.encode(schema)
    budget.admit(len(encoded))
    if len(encoded) > _LARGEST_KEPT:
        return _clean_parameters(schema, place, budget).found
    try:
        kept = _clean_kept(encoded)
    except InvalidRequest:
        return _clean_parameters(schema, place, budget).found  # complains again, and knows where
    _bounded(lambda: budget.spend(kept.steps), place)
    return kept.found


class _Kept(NamedTuple):
    """Cleaned parameters, and what cleaning them took of a budget."""

    found: CleanSchema | None
    steps: int


@lru_cache(maxsize=_MOST_KEPT)
def _clean_kept(encoded: bytes) -> _Kept:
    """Clients send the same tools with every turn of a conversation, and cleaning them is most of the work of a request."""
    return _clean_parameters(codec.decode(encoded), Place(), SchemaBudget(len(encoded)))


def _clean_parameters(schema: JsonObject, place: Place, budget: SchemaBudget) -> _Kept:
    cleaner = _Cleaner(schema, place, "invalid_function_parameters", budget)
    before = budget.spent
    cleaned = _bounded(cleaner.clean_parameters, place)
    return _Kept(None if cleaned is None else CleanSchema(cleaned, cleaner.weakened), budget.spent - before)


def _bounded(work: Callable[[], T], place: Place) -> T:
    try:
        return work()
    except RecursionError as error:  # definitions that merge with each other without end
        message = f"The schema in '{place}' is nested too deeply."
        raise InvalidRequest(message, param=str(place), code="invalid_value") from error
    except TooLarge as error:
        message = f"The schema in '{place}' is too large when its references and alternatives are written out."
        raise InvalidRequest(message, param=str(place), code="invalid_value") from error


class _Cleaner:
    """Cleans one document."""

    def __init__(self, root: JsonObject, place: Place, code: str, budget: SchemaBudget) -> None:
        self._root = root
        self._place = place
        self._code = code
        self._budget = budget
        self._merger = schema_merging.Merger(self._plain, budget)
        self._nodes = 0
        self._targets: dict[str, _Target] = {}  # by pointer
        self._waiting: list[_Target] = []  # the same, in order; grows while definitions are cleaned
        self._named: dict[str, _Target] = {}
        self._numbers: dict[str, int] = {}  # how many definitions have the same name in the client's document
        self._anchors: dict[str, JsonValue] | None = None
        self._definitions: dict[str, JsonObject] = {}
        self._open: list[str] = []  # names of definitions that are being inlined
        self.weakened = False

    def clean_root(self) -> JsonObject:
        """Clean the document; all that is referred to follows in `$defs`."""
        cleaned = self._clean(self._root, 0)
        return self._finish({} if cleaned is None else cleaned)

    def clean_parameters(self) -> JsonObject | None:
        """Clean a document whose root must describe an object."""
        root = self._root
        if isinstance(pointer := root.get("$ref"), str):
            root = self._inline(self._resolve(pointer), 0)
        else:
            root = self._clean(root, 0) or {}
        if "anyOf" in root:
            root = self._unite(root)
        if "type" in root and "object" not in (root["type"], *as_list(root["type"])):
            raise self._fault("must describe an object", "invalid_function_parameters")
        root["type"] = "object"
        if not root.get("properties") and not isinstance(root.get("additionalProperties"), dict):
            return None
        return self._finish(root)

    def _unite(self, root: JsonObject) -> JsonObject:
        """Make one object of alternatives: all properties, required only where every alternative requires."""
        branches = [self._plain(branch) for branch in root["anyOf"] if branch != NULL]
        united: JsonObject = {name: value for name, value in root.items() if name != "anyOf"}
        for branch in branches:
            if branch.get("type", "object") != "object":
                raise self._fault("must describe an object", "invalid_function_parameters")
        self.weakened = self.weakened or len(branches) > 1
        properties: JsonObject = {}
        for branch in branches:
            self._budget.spend(entries=len(branch.get("properties", ())) + len(branch.get("required", ())))
            for name, schema in branch.get("properties", {}).items():
                known = properties.get(name)
                properties[name] = schema if known is None or known == schema else {"anyOf": [known, schema]}
        required = [set(cast("list[str]", branch.get("required", []))) for branch in branches]
        if properties:
            united["properties"] = properties
        if common := set[str].intersection(*required) if required else set[str]():
            united["required"] = [name for name in properties if name in common]
        return united

    def _finish(self, root: JsonObject) -> JsonObject:
        """Clean what was referred to, name it, and look over the whole once more."""
        for target in self._waiting:
            if target.name not in self._definitions:
                self._definitions[target.name] = self._clean(target.schema, 0) or {}
        used = {target.name: self._definitions[target.name] for target in self._targets.values()}
        if used:
            root = {**root, "$defs": used}
        document, relaxed = schema_merging.tidy(root, self._budget)
        self.weakened = self.weakened or relaxed
        return document

    def _clean(self, schema: JsonValue, depth: int) -> JsonObject | None:
        """Clean one schema; None means that it allows nothing."""
        self._spend(depth)
        if isinstance(schema, bool):
            return {} if schema else None
        if not isinstance(schema, dict):
            raise self._fault("holds something that is no schema", self._code)
        node = cast("JsonObject", schema)
        if isinstance(pointer := node.get("$ref"), str):
            return self._clean_reference(node, pointer, depth)
        if isinstance(node.get("allOf"), list):
            return self._clean_all(node, depth)
        return self._clean_node(node, depth)

    def _spend(self, depth: int) -> None:
        """Count one schema against the budget: what a client sends must cost bounded work."""
        self._nodes += 1
        self._budget.spend()
        if depth > DEEPEST:
            raise self._fault("is nested too deeply", "invalid_value")
        if self._nodes > MOST_NODES:
            raise self._fault("is too large", "invalid_value")

    def _clean_node(self, node: JsonObject, depth: int) -> JsonObject:
        self.weakened = self.weakened or not _LOST.isdisjoint(node)
        cleaned: JsonObject = {name: node[name] for name in _KEPT if isinstance(node.get(name), str | int | float)}
        if isinstance(node.get("description"), str):
            cleaned["description"] = node["description"]
        if "default" in node:
            cleaned["default"] = node["default"]
        types, nullable = _types_of(node)
        self._bounds(node, cleaned, integer=types == ["integer"])
        self._notes(node, cleaned)
        self._members(node, cleaned, depth)
        self._elements(node, cleaned, depth)
        nullable |= self._values(node, cleaned, types)
        cleaned = _with_types(cleaned, types)
        cleaned = self._alternatives(node, cleaned, depth)
        return allow_null(cleaned) if nullable else cleaned

    def _clean_reference(self, node: JsonObject, pointer: str, depth: int) -> JsonObject | None:
        target = self._resolve(pointer)
        if node.keys() & {"properties", "anyOf", "oneOf", "allOf"}:  # more than the target says: both must hold
            siblings = {name: value for name, value in node.items() if name != "$ref"}
            return self._clean_all({**siblings, "allOf": [{"$ref": pointer}, *as_list(node.get("allOf"))]}, depth)
        cleaned: JsonObject = {"$ref": f"#/$defs/{target.name}"}
        if isinstance(node.get("description"), str):
            cleaned["description"] = node["description"]
        if "default" in node:
            cleaned["default"] = node["default"]
        return allow_null(cleaned) if node.get("nullable") is True else cleaned

    def _clean_all(self, node: JsonObject, depth: int) -> JsonObject | None:
        """Merge what must hold together. A definition that holds itself adds nothing to itself."""
        base = {name: value for name, value in node.items() if name != "allOf"}
        merged: JsonObject = self._clean(base, depth + 1) or {} if base else {}
        for member in cast("list[JsonValue]", node["allOf"]):
            pointer = cast("JsonObject", member).get("$ref") if isinstance(member, dict) else None
            cleaned = (
                self._inline(self._resolve(pointer), depth + 1) if isinstance(pointer, str) else self._clean(member, depth + 1)
            )
            if cleaned is None:
                return None
            merged = self._merger.merge(merged, cleaned)
        return merged

    def _inline(self, target: _Target, depth: int) -> JsonObject:
        self._spend(depth)
        if target.name in self._open:
            return {}
        if target.name not in self._definitions:
            self._open.append(target.name)
            cleaned = self._clean(target.schema, depth + 1) or {}
            self._open.pop()
            if self._open:  # cleaned while an outer one was open: what was left out there belongs there
                return cleaned
            self._definitions[target.name] = cleaned
        cleaned = self._definitions[target.name]
        if "$ref" in cleaned:
            self._open.append(target.name)
            cleaned = self._inline(self._named[cleaned["$ref"].removeprefix("#/$defs/")], depth + 1)
            self._open.pop()
        return dict(cleaned)

    def _resolve(self, pointer: str) -> _Target:
        """Find what a pointer of the client's document points to; each target gets one name in `$defs`."""
        if pointer not in self._targets:
            target = _Target(self._name(pointer), self._find(pointer))
            self._targets[pointer] = self._named[target.name] = target
            self._waiting.append(target)
        return self._targets[pointer]

    def _plain(self, cleaned: JsonObject) -> JsonObject:
        """Replace a cleaned schema that is only a reference by what it refers to."""
        if "$ref" not in cleaned:
            return cleaned
        inlined = self._inline(self._named[cleaned["$ref"].removeprefix("#/$defs/")], 0)
        return {**inlined, **{name: value for name, value in cleaned.items() if name != "$ref"}}

    def _name(self, pointer: str) -> str:
        """Name a definition after the last step of its pointer, in letters that need no escape in a pointer."""
        steps = pointer.split("/")
        base = "__root__" if pointer in ("#", "") else _ODD.sub("_", unquote(steps[-1].lstrip("#"))) or "definition"
        name = base
        while name in self._named:
            self._numbers[base] = self._numbers.get(base, 1) + 1
            name = f"{base}_{self._numbers[base]}"
        return name

    def _find(self, pointer: str) -> JsonValue:
        found: JsonValue = self._root
        if pointer in ("#", ""):
            return found
        if not pointer.startswith("#/"):
            return self._find_anchor(pointer)
        for step in pointer[2:].split("/"):
            step = unquote(step).replace("~1", "/").replace("~0", "~")  # noqa: PLW2901 - RFC 6901
            if isinstance(found, dict):
                found = cast("JsonObject", found).get(step)
            elif isinstance(found, list) and step.isdecimal() and int(step) < len(cast("list[JsonValue]", found)):
                found = cast("list[JsonValue]", found)[int(step)]
            else:
                found = None
        if not isinstance(found, dict | bool):
            raise self._fault(f"has a '$ref' to '{pointer[:100]}', which is not there", self._code)
        return cast("JsonValue", found)

    def _find_anchor(self, pointer: str) -> JsonValue:
        if self._anchors is None:
            self._anchors = _anchors(self._root)
        if pointer in self._anchors:
            return self._anchors[pointer]
        raise self._fault(f"has a '$ref' to '{pointer[:100]}', which is not in this document", self._code)

    def _bounds(self, node: JsonObject, cleaned: JsonObject, *, integer: bool) -> None:
        """Turn exclusive bounds, of draft 4 and later, into inclusive ones."""
        for exclusive, inclusive, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
            given = node.get(exclusive)
            bound = _number(cleaned.get(inclusive) if given is True else given)
            if bound is None:
                continue
            if integer:
                nearest = math.floor(bound) + 1 if step > 0 else math.ceil(bound) - 1
            else:
                nearest = bound
                self._note(cleaned, f"Must be {'greater' if step > 0 else 'less'} than {bound}.")
            known = None if given is True else _number(cleaned.get(inclusive))
            choose: Callable[..., float] = max if step > 0 else min
            cleaned[inclusive] = nearest if known is None else choose(known, nearest)

    def _notes(self, node: JsonObject, cleaned: JsonObject) -> None:
        if node.get("uniqueItems") is True:
            self._note(cleaned, "The items must be unique.")
        if _is_number(node.get("multipleOf")):
            self._note(cleaned, f"Must be a multiple of {node['multipleOf']}.")

    def _note(self, cleaned: JsonObject, text: str) -> None:
        self.weakened = True
        cleaned["description"] = f"{cleaned['description']} {text}" if cleaned.get("description") else text

    def _members(self, node: JsonObject, cleaned: JsonObject, depth: int) -> None:
        properties = as_object(node.get("properties"))
        kept: JsonObject = {}
        for name, schema in properties.items():
            if (member := self._clean(schema, depth + 1)) is not None:
                kept[name] = member
        if kept or "properties" in node:
            cleaned["properties"] = kept
        if required := [
            name for name in as_list(node.get("required")) if isinstance(name, str) and schema_allows(properties, name)
        ]:
            cleaned["required"] = required
        if ordering := [name for name in as_list(node.get("propertyOrdering")) if isinstance(name, str) and name in kept]:
            cleaned["propertyOrdering"] = ordering
        others = node.get("additionalProperties")
        patterns = as_object(node.get("patternProperties"))
        if patterns:
            self.weakened = True
        if others is None and len(patterns) == 1 and not properties:
            others = next(iter(patterns.values()))
        if others is not None:
            member = self._clean(others, depth + 1)
            cleaned["additionalProperties"] = False if member is None else member or True

    def _elements(self, node: JsonObject, cleaned: JsonObject, depth: int) -> None:
        items, prefix = node.get("items"), node.get("prefixItems")
        if isinstance(items, list):  # a tuple of draft 4
            items, prefix = node.get("additionalItems"), cast("JsonValue", items)
        if isinstance(prefix, list) and prefix:
            cleaned["prefixItems"] = [self._clean(item, depth + 1) or {} for item in cast("list[JsonValue]", prefix)]
        if items is None:
            return
        member = self._clean(items, depth + 1)
        if member is not None:
            cleaned["items"] = member
        else:  # nothing may follow the first ones
            cleaned["maxItems"] = min(len(cleaned.get("prefixItems", [])), cleaned.get("maxItems", DEEPEST * MOST_NODES))

    def _values(self, node: JsonObject, cleaned: JsonObject, types: list[str]) -> bool:
        """Take `const` and `enum`; say whether null is among the values."""
        if "const" in node:
            return self._constant(node["const"], cleaned, types)
        values = node.get("enum")
        if not isinstance(values, list) or not values:
            return False
        values = cast("list[JsonValue]", values)
        nullable = None in values
        rest = [value for value in values if value is not None and value != ""]
        if not rest:
            if nullable and "" not in values:
                types[:] = ["null"]
            return nullable
        if all(isinstance(value, str) for value in rest):
            cleaned["enum"] = rest
            types[:] = ["string"]
        elif all(_is_number(value) for value in rest):
            cleaned["enum"] = rest
            if types not in (["integer"], ["number"]):
                types[:] = ["integer" if all(isinstance(value, int) for value in rest) else "number"]
        else:
            self._note(cleaned, f"Allowed values: {_listed(rest)}.")
            if not types and all(isinstance(value, bool) for value in rest):
                types[:] = ["boolean"]
        return nullable

    def _constant(self, value: JsonValue, cleaned: JsonObject, types: list[str]) -> bool:
        if value is None:
            types[:] = ["null"]
        elif isinstance(value, bool):
            types[:] = ["boolean"]
            self._note(cleaned, f"Must be {str(value).lower()}.")
        elif isinstance(value, str) and value:
            types[:] = ["string"]
            cleaned["enum"] = [value]
        elif _is_number(value):
            types[:] = ["integer" if isinstance(value, int) else "number"]
            cleaned["enum"] = [value]
        else:
            self._note(cleaned, f"Must be {_listed([value])}.")
        return False

    def _alternatives(self, node: JsonObject, cleaned: JsonObject, depth: int) -> JsonObject:
        """Make `anyOf` of `anyOf` and `oneOf`; what stands beside it is pushed into the branches."""
        given = [*as_list(node.get("anyOf")), *as_list(node.get("oneOf"))]
        raw = [branch for branch in given if as_object(branch).keys() != {"required"}]
        branches = [branch for branch in (self._clean(branch, depth + 1) for branch in raw) if branch is not None]
        self.weakened = self.weakened or len(raw) < len(given)
        if not branches:
            return cleaned
        outside = {name: value for name, value in cleaned.items() if name in _BRANCH_ONLY}
        inside = {name: value for name, value in cleaned.items() if name not in _BRANCH_ONLY}
        if len(branches) == 1:
            return self._merger.merge(cleaned, branches[0])
        if len(branches) * sum(len(inside.get(name, ())) for name in ("properties", "required", "enum")) > MOST_NODES:
            raise self._fault("is too large", "invalid_value")  # all of that would be said in each branch
        pushed = self._merger.push(branches, inside)
        nested = inside.get("anyOf")
        return {**outside, "anyOf": pushed if nested is None else [*nested, *pushed]}

    def _fault(self, what: str, code: str) -> InvalidRequest:
        return InvalidRequest(f"The schema in '{self._place}' {what}.", param=str(self._place), code=code)


def _anchors(root: JsonObject) -> dict[str, JsonValue]:
    """Find the definitions that have a name of their own; the first of a name counts."""
    found: dict[str, JsonValue] = {}
    for name in ("$defs", "definitions"):
        for schema in as_object(root.get(name)).values():
            if isinstance(anchor := as_object(schema).get("$anchor"), str):
                found.setdefault(f"#{anchor}", schema)
    return found


def allow_null(cleaned: JsonObject) -> JsonObject:
    """Let a cleaned schema also take null. An enum beside a null type would still forbid it, so that becomes a branch."""
    if "anyOf" in cleaned:
        branches = cast("list[JsonObject]", cleaned["anyOf"])
        return cleaned if NULL in branches else {**cleaned, "anyOf": [*branches, dict(NULL)]}
    kind = cleaned.get("type")
    if "enum" not in cleaned and "$ref" not in cleaned:
        return {**cleaned, "type": [kind, "null"]} if isinstance(kind, str) and kind != "null" else cleaned
    outside = {name: value for name, value in cleaned.items() if name in _BRANCH_ONLY}
    inside = {name: value for name, value in cleaned.items() if name not in _BRANCH_ONLY}
    return {**outside, "anyOf": [inside, dict(NULL)]}


def schema_allows(properties: JsonObject, name: str) -> bool:
    """Say whether a property may exist at all (its schema is not `false`)."""
    return properties.get(name) is not False


def _types_of(node: JsonObject) -> tuple[list[str], bool]:
    """Return the type names without null, and whether null is allowed beside them."""
    kind = node.get("type")
    names = [name.lower() for name in as_list(kind) if isinstance(name, str)] if isinstance(kind, list) else []
    if isinstance(kind, str):
        names = [kind.lower()]
    names = [name for name in dict.fromkeys(names) if name in _TYPES]
    nullable = "null" in names or node.get("nullable") is True
    others = [name for name in names if name != "null"]
    if not others:
        if "null" in names:
            return ["null"], False
        others = ["object"] if "properties" in node and not node.keys() & {"anyOf", "oneOf"} else []
    return others, nullable


def _with_types(cleaned: JsonObject, types: list[str]) -> JsonObject:
    """Put the type in front; several become branches, each with the keywords that apply to it."""
    if not types:
        return cleaned
    if len(types) == 1:
        return {"type": types[0], **cleaned}
    specific = {keyword for keywords in _APPLIES.values() for keyword in keywords}
    outside = {name: value for name, value in cleaned.items() if name not in specific and name != "enum"}
    branches: list[JsonObject] = []
    for kind in types:
        applying = {name: cleaned[name] for name in _APPLIES.get(kind, ()) if name in cleaned}
        branches.append({"type": kind, **applying})
    return {**outside, "anyOf": branches}


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: JsonValue) -> float | None:
    return value if _is_number(value) else None


def _listed(values: list[JsonValue]) -> str:
    return ", ".join(codec.encode_text(value) for value in values[:50])
