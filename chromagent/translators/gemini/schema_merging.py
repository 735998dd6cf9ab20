"""Two cleaned schemas → one that asks for both, and the last look over a whole document. Used by the cleaner only.

Source: wire-gemini §2.7, rows `allOf`, `required` and cycles.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.translators.budget import SchemaBudget

Inline = Callable[[JsonObject], JsonObject]
"""Replaces a schema that is only a reference by what it refers to."""

_BESIDE: Final = frozenset({"description", "default"})


class Merger:
    """Merges schemas of one document. Each merge, and what it copies, is taken from the budget: raises `TooLarge`."""

    def __init__(self, inline: Inline, budget: SchemaBudget) -> None:
        self._inline = inline
        self._budget = budget

    def merge(self, one: JsonObject, other: JsonObject) -> JsonObject:
        """Return a schema for what satisfies both, as far as that can be said; no property is lost."""
        self._budget.spend()
        if not one or not other:
            return dict(one or other)
        if "$ref" in one or "$ref" in other:
            one, other = self._inline(one), self._inline(other)
        if "$ref" in one or "$ref" in other:  # a definition that holds itself: there is nothing more to say
            return {**other, **one}
        if "anyOf" in one or "anyOf" in other:
            return self._merge_alternatives(one, other)
        merged = dict(one)
        for name, value in other.items():
            merged[name] = _MERGERS[name](self, one[name], value) if name in one and name in _MERGERS else one.get(name, value)
        return merged

    def push(self, branches: list[JsonObject], inside: JsonObject) -> list[JsonObject]:
        """Say in each alternative what held for all. A null stays a null, and a reference needs no second type."""
        self._budget.spend(entries=len(branches))
        return [
            branch
            if not inside or branch.get("type") == "null" or ("$ref" in branch and inside.keys() == {"type"})
            else self.merge(branch, inside)
            for branch in branches
        ]

    def _merge_alternatives(self, one: JsonObject, other: JsonObject) -> JsonObject:
        branches = [*one.get("anyOf", []), *other.get("anyOf", [])]
        one_rest = {name: value for name, value in one.items() if name != "anyOf"}
        other_rest = {name: value for name, value in other.items() if name != "anyOf"}
        rest = self.merge(one_rest, other_rest)
        outside = {name: value for name, value in rest.items() if name in _BESIDE}
        inside = {name: value for name, value in rest.items() if name not in _BESIDE}
        return {**outside, "anyOf": self.push(branches, inside)}

    def merge_properties(self, one: JsonObject, other: JsonObject) -> JsonObject:
        """Return all properties; those that both have are merged."""
        self._budget.spend(entries=len(one) + len(other))
        merged = dict(one)
        for name, schema in other.items():
            merged[name] = self.merge(one[name], schema) if name in one else schema
        return merged

    def merge_prefix(self, one: list[JsonObject], other: list[JsonObject]) -> list[JsonObject]:
        """Merge the first elements of arrays, position by position."""
        self._budget.spend(entries=len(one) + len(other))
        shared = min(len(one), len(other))
        return [self.merge(first, second) for first, second in zip(one, other, strict=False)] + one[shared:] + other[shared:]

    def merge_others(self, one: JsonValue, other: JsonValue) -> JsonValue:
        """Merge what holds for other properties; `False` forbids them."""
        if one is False or other is False:
            return False
        if isinstance(one, dict) and isinstance(other, dict):
            return self.merge(cast("JsonObject", one), cast("JsonObject", other))
        return cast("JsonValue", one if isinstance(one, dict) else other)

    def merge_names(self, one: list[str], other: list[str]) -> list[str]:
        """Return all names, each once."""
        self._budget.spend(entries=len(one) + len(other))
        return list(dict.fromkeys([*one, *other]))

    def merge_enums(self, one: list[JsonValue], other: list[JsonValue]) -> list[JsonValue]:
        """Return the values that both allow; those of the first if there are none."""
        self._budget.spend(entries=4 * (len(one) + len(other)), characters=_size(one) + _size(other))
        known = {codec.encode_canonical(value) for value in other}
        return [value for value in one if codec.encode_canonical(value) in known] or one

    def merge_descriptions(self, one: str, other: str) -> str:
        """Return both texts, unless one holds the other."""
        self._budget.spend(characters=len(one) + len(other))
        return one if other in one else f"{one} {other}".strip()


def _merge_types(_: Merger, one: JsonValue, other: JsonValue) -> JsonValue:
    first: list[JsonValue] = cast("list[JsonValue]", one) if isinstance(one, list) else [one]
    second: list[JsonValue] = cast("list[JsonValue]", other) if isinstance(other, list) else [other]
    both = [kind for kind in first if kind in second]
    if not both and {"integer", "number"} <= {*first, *second}:
        both = ["integer"]
    return cast("JsonValue", one) if not both else both if len(both) > 1 else both[0]


def _greater(_: Merger, one: JsonValue, other: JsonValue) -> JsonValue:
    return max(one, other) if isinstance(one, int | float) and isinstance(other, int | float) else one


def _lesser(_: Merger, one: JsonValue, other: JsonValue) -> JsonValue:
    return min(one, other) if isinstance(one, int | float) and isinstance(other, int | float) else one


_MERGERS: Final[dict[str, Callable[..., JsonValue]]] = {
    "type": _merge_types,
    "description": Merger.merge_descriptions,
    "properties": Merger.merge_properties,
    "required": Merger.merge_names,
    "propertyOrdering": Merger.merge_names,
    "additionalProperties": Merger.merge_others,
    "items": Merger.merge,
    "prefixItems": Merger.merge_prefix,
    "enum": Merger.merge_enums,
    **dict.fromkeys(("minimum", "minLength", "minItems", "minProperties"), _greater),
    **dict.fromkeys(("maximum", "maxLength", "maxItems", "maxProperties"), _lesser),
}


def _size(value: JsonValue) -> int:
    return len(codec.encode(value))


def spend_on_copy(schema: JsonObject, budget: SchemaBudget) -> None:
    """Take one schema, without those inside it, from the budget: its texts and values are written out with each copy."""
    characters = 0
    for name, value in schema.items():
        if value.__class__ is str:
            characters += len(value)
        elif name in _VALUES:
            characters += _size(value)
    budget.spend(characters=characters)


_VALUES: Final = frozenset({"enum", "default", "required", "propertyOrdering"})
"""Members that are neither texts nor schemas, and may be large."""


class _Edge(NamedTuple):
    """From one definition to another; `owner` requires `property` on the way, if anything does."""

    owner: JsonObject | None
    property: str
    target: str


def tidy(root: JsonObject, budget: SchemaBudget) -> tuple[JsonObject, bool]:
    """Copy a document with the definitions that it refers to, repair its `required` lists and make cycles optional.

    Says whether a property became optional. Raises `TooLarge` when the document, with shared parts written out, is too much.
    """
    copier = _Copier(budget)
    definitions = cast("JsonObject", root.get("$defs", {}))
    document = copier.copy({name: value for name, value in root.items() if name != "$defs"})
    named: dict[str, JsonObject] = {}
    for name in copier.waiting:
        named[name] = copier.copy(definitions[name])
    relaxed = _relax_cycles({"": document, **named})
    if named:
        document["$defs"] = named
    return document, relaxed


class _Copier:
    """Copies schemas within a budget."""

    def __init__(self, budget: SchemaBudget) -> None:
        self._budget = budget
        self.waiting: list[str] = []
        """Names of the definitions that the copies refer to, in order; grows while these are copied."""
        self._referred: set[str] = set()

    def copy(self, schema: JsonObject) -> JsonObject:
        spend_on_copy(schema, self._budget)
        if isinstance(pointer := schema.get("$ref"), str) and pointer not in self._referred:
            self._referred.add(pointer)
            self.waiting.append(pointer.removeprefix("#/$defs/"))
        copied: JsonObject = {}
        for name, value in schema.items():
            copied[name] = self._member(name, value)
        known = copied.get("properties", {})
        if "required" in copied:
            copied["required"] = [name for name in dict.fromkeys(copied["required"]) if name in known]
            if not copied["required"]:
                del copied["required"]
        return copied

    def _member(self, name: str, value: JsonValue) -> JsonValue:
        if name == "properties":
            return {key: self.copy(schema) for key, schema in cast("JsonObject", value).items()}
        if name in ("anyOf", "prefixItems"):
            return [self.copy(schema) for schema in cast("list[JsonObject]", value)]
        if name == "items" or (name == "additionalProperties" and isinstance(value, dict)):
            return self.copy(cast("JsonObject", value))
        return value


def _relax_cycles(documents: dict[str, JsonObject]) -> bool:
    """Google takes cycles only through properties that are not required: make optional what closes one."""
    edges = {name: list(_edges(document, None, "")) for name, document in documents.items()}
    optional: dict[int, tuple[JsonObject, set[str]]] = {}
    finished: set[str] = set()
    for start in documents:
        path: list[tuple[str, Iterator[_Edge], _Edge | None]] = [(start, iter(edges[start]), None)]
        on_path = {start}
        while path:
            name, remaining, required = path[-1]
            edge = next(remaining, None)
            if edge is None:
                path.pop()
                on_path.discard(name)
                finished.add(name)
                continue
            required = edge if edge.owner is not None else required  # the last required property on the way
            if edge.target in on_path:
                if required is not None and required.owner is not None:
                    optional.setdefault(id(required.owner), (required.owner, set()))[1].add(required.property)
            elif edge.target not in finished and edge.target in edges:
                path.append((edge.target, iter(edges[edge.target]), required))
                on_path.add(edge.target)
    for owner, names in optional.values():
        _make_optional(owner, names)
    return bool(optional)


def _make_optional(schema: JsonObject, names: set[str]) -> None:
    required = [name for name in schema["required"] if name not in names]
    if required:
        schema["required"] = required
    else:
        del schema["required"]


def _edges(schema: JsonObject, owner: JsonObject | None, name: str) -> Iterator[_Edge]:
    """Give the references that a schema cannot do without; `owner` and `name` are the required property on the way."""
    if isinstance(pointer := schema.get("$ref"), str):
        yield _Edge(owner, name, pointer.removeprefix("#/$defs/"))
    required = set(schema.get("required", []))
    for key, member in cast("dict[str, JsonObject]", schema.get("properties", {})).items():
        if key in required:
            yield from _edges(member, schema, key)
    for branch in [*schema.get("anyOf", []), *schema.get("prefixItems", [])]:
        yield from _edges(branch, owner, name)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _edges(schema[key], owner, name)
