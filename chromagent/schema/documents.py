"""Documents that an owner writes (the configuration, the client keys), read whole or not at all. Hides how every fault is found.

msgspec reads and checks; it stops at the first fault. Where there is one, each member is read by itself, so that all are told.
"""

import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar, Union, cast, get_args, get_origin

import msgspec

from chromagent.codec import JsonObject, JsonValue

T = TypeVar("T")
Path: TypeAlias = tuple[str | int, ...]

_ALTERNATIVES: Final = (Union, UnionType)
_WORDS: Final = {
    "str": "a string",
    "bool": "a boolean",
    "int": "an integer",
    "float": "a number",
    "object": "an object",
    "array": "an array",
}


class Fault(NamedTuple):
    """What is wrong, and where. Never the value: it may be a secret that stands in the wrong place."""

    path: Path
    complaint: str
    is_unknown: bool = False
    """Nobody knows the last step of the path, so that it may be anything, too."""

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.complaint}" if self.path else self.complaint


class FaultyDocumentError(Exception):
    """The document cannot be used; `faults` are all that were found, at least one."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(map(str, faults)))


def read(document: JsonValue, kind: type[T]) -> T:
    """Read a decoded document. Raises `FaultyDocumentError`.

    A text serves as the number or boolean that it spells, as variables of the environment are texts. What a member should have been
    is told in the words of its type's `description`, if it has one.
    """
    try:
        return msgspec.convert(document, kind, strict=False)
    except msgspec.ValidationError as error:
        raise FaultyDocumentError(_faults(document, kind, ())) from error


def _faults(value: JsonValue, kind: Any, path: Path) -> list[Fault]:
    """List the faults of the members; where all are sound, that of the whole."""
    kind = _of_something(kind) if value is not None else kind
    if found := list(_member_faults(value, kind, path)):
        return found
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        return [Fault(path, _complaint(kind, error))]
    return []


def _member_faults(value: JsonValue, kind: Any, path: Path) -> Iterator[Fault]:
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(value, dict):
        members = cast("JsonObject", value)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _field_faults(members, kind, path)
        elif origin in (dict, Mapping):
            for name, member in members.items():
                yield from _faults(name, arguments[0], (*path, name))
                yield from _faults(member, arguments[1], (*path, name))
    elif isinstance(value, list | tuple) and origin is tuple:
        for index, member in enumerate(cast("list[JsonValue]", value)):
            yield from _faults(member, arguments[0], (*path, index))


def _field_faults(members: JsonObject, kind: type[msgspec.Struct], path: Path) -> Iterator[Fault]:
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    for name, member in members.items():
        if name in known:
            yield from _faults(member, known[name].type, (*path, name))
        else:
            yield Fault((*path, name), "is not known here", is_unknown=True)
    for name, field in known.items():
        if field.required and name not in members:
            yield Fault((*path, name), "is missing")


def _of_something(kind: Any) -> Any:
    """Return the type without the None that stands for nothing."""
    kinds = [one for one in get_args(kind) if one is not NoneType] if get_origin(kind) in _ALTERNATIVES else []
    return kinds[0] if len(kinds) == 1 else kind


def _complaint(kind: Any, error: msgspec.ValidationError) -> str:
    for note in getattr(kind, "__metadata__", ()):
        if isinstance(note, msgspec.Meta) and note.description:
            return f"expected {note.description}"
    if kind is bool:
        return "expected true or false"
    if get_origin(kind) is Literal:
        return f"expected {' or '.join(map(str, get_args(kind)))}"
    text = str(error).partition(" - at `")[0].replace("Expected", "expected")
    return re.sub("`([^`]+)`", lambda kinds: " or ".join(_WORDS.get(one, one) for one in kinds[1].split(" | ")), text)
