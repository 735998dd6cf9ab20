"""The document of client keys: what the key store holds. Only hashes of keys, never keys."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


class KeyRecord(BaseModel):
    """One issued key. `models` are shell-style patterns of public model ids; empty allows all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=120)
    name: str = ""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$"), AfterValidator(str.lower)]
    expires_at: AwareDatetime | None = None
    disabled: bool = False
    models: tuple[str, ...] = ()
    limits: dict[str, str] = Field(default_factory=dict)
    gcs_buckets: tuple[str, ...] = ()

    def usable(self, now: float) -> bool:
        """Say whether the key may be used at this epoch second."""
        return not self.disabled and (self.expires_at is None or datetime.fromtimestamp(now, UTC) < self.expires_at)


class KeyDocument(BaseModel):
    """The whole document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[KeyRecord, ...] = ()
