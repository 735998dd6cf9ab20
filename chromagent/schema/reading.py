"""Reading one place of a request. Hides how a complaint names the place and the kind of fault.

Codes are OpenAI's own: `missing_required_parameter`, `invalid_type`, `invalid_value`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar, cast

import msgspec

from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest

MAX_DEPTH: Final = 200
"""Levels of arrays and objects in a request, and in JSON text inside it. The deepest schema that is translated has about 140;
what walks a request by recursion later takes two or three stack frames for each level, of Python's 1,000."""
_SHOWN_STEPS: Final = 4
"""Steps of the way to a place that is too deep that a complaint names."""

T = TypeVar("T")
Step: TypeAlias = str | int

_HOLDERS: Final = frozenset({dict, list})
_NAMES: dict[str, str] = {
    "str": "a string",
    "bool": "a boolean",
    "int": "an integer",
    "float": "a number",
    "dict": "an object",
    "list": "an array",
    "NoneType": "null",
}


class Place(msgspec.Struct, frozen=True, gc=False):
    """A place in the request, such as `messages[1].content[0].text`.

    `dotted` writes indexes as `messages.[1].content.[0]`, the older of OpenAI's two spellings (wire-anthropic uses it).
    """

    steps: tuple[Step, ...] = ()
    dotted: bool = False

    def at(self, *steps: Step) -> "Place":
        """Return the place further down."""
        return Place(self.steps + steps, self.dotted)

    def __str__(self) -> str:
        text = ""
        for step in self.steps:
            if isinstance(step, int):
                text += f".[{step}]" if self.dotted else f"[{step}]"
            else:
                text += f".{step}" if text else step
        return text


Reader: TypeAlias = Callable[[JsonValue, Place], T]
"""Turns a JSON value into one of a known type, or raises `InvalidRequest` that names the place."""


def missing(place: Place) -> InvalidRequest:
    """Complain that a required member is not there."""
    code = "missing_required_parameter"
    return InvalidRequest(f"Missing required parameter: '{place}'.", param=str(place), code=code)


def wrong_type(place: Place, wanted: str, value: JsonValue) -> InvalidRequest:
    """Complain that a member is of another JSON type; `wanted` reads like `a string`."""
    found = _NAMES[value.__class__.__name__]
    message = f"Invalid type for '{place}': expected {wanted}, but got {found} instead."
    return InvalidRequest(message, param=str(place), code="invalid_type")


def wrong_value(place: Place, message: str, code: str = "invalid_value") -> InvalidRequest:
    """Complain about a value of the right type."""
    return InvalidRequest(message, param=str(place), code=code)


def refuse_deep(value: JsonValue, place: Place | None = None) -> None:
    """Raise `InvalidRequest` for arrays and objects of more than `MAX_DEPTH` levels.

    It names the place of a JSON text; without one the value is the whole request, and it names the beginning of the way down.
    """
    level: list[JsonValue] = [value] if value.__class__ in _HOLDERS else []
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [
            item
            for holder in level
            for item in (holder.values() if holder.__class__ is dict else holder)
            if item.__class__ in _HOLDERS
        ]
    if level:
        raise too_deep(Place(_way_down(value)) if place is None else place)


def _way_down(value: JsonValue) -> tuple[Step, ...]:
    level: list[tuple[tuple[Step, ...], JsonValue]] = [((), value)]
    for _ in range(MAX_DEPTH):
        level = [
            (steps if len(steps) == _SHOWN_STEPS else (*steps, step[:64] if isinstance(step, str) else step), item)
            for steps, holder in level
            for step, item in (cast("JsonObject", holder).items() if isinstance(holder, dict) else enumerate(holder))
            if item.__class__ in _HOLDERS
        ]
    return level[0][0]


def too_deep(place: Place) -> InvalidRequest:
    """Complain about nesting beyond `MAX_DEPTH`."""
    return wrong_value(place, f"'{place}' is nested too deeply. At most {MAX_DEPTH} levels of arrays and objects are possible.")


def text(value: JsonValue, place: Place) -> str:
    """Read a string."""
    if isinstance(value, str):
        return value
    raise wrong_type(place, "a string", value)


def boolean(value: JsonValue, place: Place) -> bool:
    """Read a boolean."""
    if isinstance(value, bool):
        return value
    raise wrong_type(place, "a boolean", value)


def integer(value: JsonValue, place: Place) -> int:
    """Read an integer; `5.0` is one, `true` is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise wrong_type(place, "an integer", value)


def number(value: JsonValue, place: Place) -> int | float:
    """Read a number as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise wrong_type(place, "a number", value)


def mapping(value: JsonValue, place: Place) -> JsonObject:
    """Read an object."""
    if isinstance(value, dict):
        return cast("JsonObject", value)
    raise wrong_type(place, "an object", value)


def array(value: JsonValue, place: Place) -> list[JsonValue]:
    """Read an array."""
    if isinstance(value, list):
        return cast("list[JsonValue]", value)
    raise wrong_type(place, "an array", value)


def texts(value: JsonValue, place: Place) -> list[str]:
    """Read an array of strings."""
    return [text(item, place.at(index)) for index, item in enumerate(array(value, place))]


def text_or_texts(value: JsonValue, place: Place) -> list[str]:
    """Read a string, or an array of strings."""
    return [value] if isinstance(value, str) else texts(value, place)


_EXACT: Final[Mapping[Callable[[JsonValue, Place], Any], type]] = {
    text: str,
    boolean: bool,
    integer: int,
    mapping: dict,
    array: list,
}
"""What a reader returns as it is. Nearly all values are: then nobody asks for the place, and it need not be made."""


def required(container: JsonObject, name: str, reader: Reader[T], place: Place) -> T:
    """Read a member that must be there. `place` is that of the container."""
    value = container.get(name)
    if value is None:
        raise missing(place.at(name))
    return value if value.__class__ is _EXACT.get(reader) else reader(value, place.at(name))


def optional(container: JsonObject, name: str, reader: Reader[T], place: Place) -> T | None:
    """Read a member that may be absent or null. `place` is that of the container."""
    value = container.get(name)
    if value is None or value.__class__ is _EXACT.get(reader):
        return value
    return reader(value, place.at(name))


def parts(content: JsonValue, place: Place) -> list[JsonObject]:
    """Read message content as a list of parts: a string is one text part, null is none.

    Each part is an object with a string `type`; what the types hold is the caller's to read.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise wrong_type(place, "a string or an array of content parts", content)
    found: list[JsonObject] = []
    for index, item in enumerate(cast("list[JsonValue]", content)):
        here = place.at(index)
        part = mapping(item, here)
        required(part, "type", text, here)
        found.append(part)
    return found
