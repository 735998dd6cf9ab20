"""The document of client keys: what the key store holds. Only hashes of keys, never keys."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, field_validator

_RATE: Final = re.compile(r"[1-9]\d* ?(/|per) ?([1-9]\d* ?)?(second|minute|hour|day|month|year)s?")


def _check_rate(text: str) -> str:
    if not all(_RATE.fullmatch(part.strip()) for part in re.split("[;,|]", text)):
        raise ValueError("expected a rate such as 600/minute")
    return text


Rate = Annotated[str, AfterValidator(_check_rate)]


class KeyLimits(BaseModel):
    """Rates of one key, instead of those for all keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: Rate | None = None
    tokens: Rate | None = None


class KeyRecord(BaseModel):
    """One issued key. `models` are shell-style patterns of public model ids; empty allows all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=120)
    name: str = ""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$"), AfterValidator(str.lower)]
    expires_at: AwareDatetime | None = None
    disabled: bool = False
    models: tuple[str, ...] = ()
    limits: KeyLimits = Field(default_factory=KeyLimits)
    gcs_buckets: tuple[str, ...] = ()

    def usable(self, now: float) -> bool:
        """Say whether the key may be used at this epoch second."""
        return not self.disabled and (self.expires_at is None or datetime.fromtimestamp(now, UTC) < self.expires_at)


class KeyDocument(BaseModel):
    """The whole document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[KeyRecord, ...] = ()

    @field_validator("keys")
    @classmethod
    def _check_twice(cls, keys: tuple[KeyRecord, ...]) -> tuple[KeyRecord, ...]:
        """Of two records of one key, one could forbid what the other allows."""
        if len({record.sha256 for record in keys}) < len(keys):
            raise ValueError("two records hold the same sha256")
        return keys
