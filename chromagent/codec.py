"""JSON in and out. Hides which library does it and what that library finds too odd to read.

`msgspec` is the library (docs/adr/0006): fast in both directions, refuses NaN and Infinity, and keeps integers of any size,
which tool arguments need. What it refuses but a client may lawfully send is read by the standard library instead.
"""

import json
from typing import Any, Final, NoReturn, TypeAlias

import msgspec

JsonObject: TypeAlias = dict[str, Any]
"""A decoded JSON object. The values are `Any`: this alias marks the edge where types are not known yet."""

JsonValue: TypeAlias = Any
"""Any decoded JSON value."""

_decoder: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()
_canonical: Final = msgspec.json.Encoder(order="sorted")


class MalformedJson(ValueError):
    """The text is not JSON, or holds NaN or Infinity."""


class NestedTooDeeply(MalformedJson):
    """The text may be JSON, but is nested deeper than can be read."""


def decode(text: bytes | str) -> JsonValue:
    r"""Read one JSON document.

    Bytes that are not UTF-8 and lone surrogates (`"\ud800"`) become U+FFFD; of a duplicate key the last value counts.
    Raises `MalformedJson`, and `NestedTooDeeply` from about 1,000 levels on.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _decode_oddity(text, error)


def encode(value: JsonValue) -> bytes:
    """Write compact UTF-8 JSON, keys in their order, nothing escaped that need not be."""
    return _encoder.encode(value)


def encode_canonical(value: JsonValue) -> bytes:
    """Write the same bytes for values that differ in the order of their keys only."""
    return _canonical.encode(value)


def encode_text(value: JsonValue) -> str:
    """Write the same as `encode`, as a string (for JSON inside JSON, such as tool arguments)."""
    return _encoder.encode(value).decode()


def _decode_oddity(text: bytes | str, error: Exception) -> JsonValue:
    if isinstance(error, RecursionError):
        raise NestedTooDeeply("nested too deeply") from error
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    elif not _has_surrogate(text):
        raise MalformedJson(str(error)) from error
    try:
        document = json.loads(_without_surrogates(text), parse_constant=_refuse_constant, parse_float=_finite)
        return _without_surrogates(document)
    except RecursionError as second:
        raise NestedTooDeeply("nested too deeply") from second
    except ValueError as second:
        raise MalformedJson(str(second)) from second


def _has_surrogate(text: str) -> bool:
    return "\\ud" in text.lower() or _without_surrogates(text) is not text


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise MalformedJson("a number is out of range")
    return number


def _without_surrogates(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
