"""One table says what becomes of each request field; this module reads it. Hides how a disposition turns into a name or an error.

Each wire format has a `ParameterTable` over its own profiles (`<format>/parameters.py`). The translator asks it what to send
and what to name; `GET /v1/models` and docs/parameters.md are made from the same rows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from chromagent.codec import JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema.chat import FIELDS
from chromagent.schema.reading import Place, Reader
from chromagent.translators.protocol import Disposition

Profile = TypeVar("Profile")


def never(value: JsonValue) -> bool:  # noqa: ARG001 - the value does not matter: that is the point
    """Say that every value of the field asks for something."""
    return False


class Parameter(msgspec.Struct, Generic[Profile], frozen=True):
    """One field of the request on one wire format."""

    name: str
    disposition: Disposition | Callable[[Profile], Disposition]
    """Fixed, or by model. `downgraded` marks fields that this model gets in a weaker form."""
    reason: str = ""
    """Why it is not simply mapped: one sentence, shown to clients that are refused and in the documentation."""
    neutral: Callable[[JsonValue], bool] = never
    """True for values that ask for nothing (OpenAI's defaults): never named, never refused."""
    check: Callable[[JsonValue], InvalidRequest | None] | None = None
    """Range of the value, the same for all dispositions."""
    code: str = "unsupported_parameter"
    """Code of the 400 when the disposition is `rejected`."""

    def dispose(self, profile: Profile) -> Disposition:
        """Tell what becomes of the field on this model."""
        return self.disposition(profile) if callable(self.disposition) else self.disposition


class ParameterTable(Generic[Profile]):
    """All fields of one wire format, OpenAI's and extensions."""

    def __init__(self, rows: Sequence[Parameter[Profile]]) -> None:
        self._rows = {row.name: row for row in rows}
        self._mapped = {row.name for row in rows if row.disposition == "mapped" and row.check is None}
        """Those that are sent on whatever they hold."""
        if missing := FIELDS - self._rows.keys():
            raise ValueError(f"the table has no row for {', '.join(sorted(missing))}")

    @property
    def rows(self) -> Mapping[str, Parameter[Profile]]:
        """The rows by name, in their order."""
        return self._rows

    def dispositions(self, profile: Profile) -> dict[str, Disposition]:
        """Tell what becomes of each of OpenAI's fields on this model."""
        return {name: row.dispose(profile) for name, row in self._rows.items() if name in FIELDS}

    def ignored(self, fields: Mapping[str, JsonValue], profile: Profile) -> list[str]:
        """Check every given field against its row and name the ignored ones, unknown fields included and last.

        Raises `InvalidRequest` for a value out of range and for a rejected field.
        """
        names: list[str] = []
        for name, value in fields.items():
            if name in self._mapped:
                continue
            row = self._rows.get(name)
            if row is None:
                names.append(name)
                continue
            if row.check is not None and (fault := row.check(value)) is not None:
                raise fault
            if row.neutral(value):
                continue
            disposition = row.dispose(profile)
            if disposition == "rejected":
                raise refused(name, row.reason, row.code)
            if disposition == "ignored":
                names.append(name)
        return names


def typed(name: str, reader: Reader[Any]) -> Callable[[JsonValue], InvalidRequest | None]:
    """Return a check of the type of an extension, whose types no schema knows."""

    def check(value: JsonValue) -> InvalidRequest | None:
        try:
            reader(value, Place((name,)))
        except InvalidRequest as fault:
            return fault
        return None

    return check


def refused(name: str, reason: str, code: str = "unsupported_parameter") -> InvalidRequest:
    """Refuse a field that this model cannot honour."""
    return InvalidRequest(f"'{name}' is not supported with this model. {reason}".strip(), param=name, code=code)


def require_faithful(ignored: Sequence[str], downgraded: Sequence[str]) -> None:
    """Under `strict`, raise `InvalidRequest` for the first field that would not reach the model as asked."""
    for name in [*ignored, *downgraded]:
        raise refused(name, "The gateway is strict: it refuses what it would have to ignore or weaken.")
