"""The document of client keys: what the key store holds. Only hashes of keys, never keys."""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from chromagent import codec
from chromagent.schema import documents
from chromagent.schema.documents import Fault, FaultyDocumentError
from chromagent.schema.rates import Rate

ResourcePrefix: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9][A-Za-z0-9._:-]*)*/?\Z",
        description="a resource name or the first segments of one, such as projects/P/locations/L/ragCorpora or cachedContents/123",
    ),
]
"""Whole path segments. One that does not begin with `projects/` is below the project and location of the upstream call."""


class KeyLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of one key, instead of those for all keys."""

    requests: Rate | None = None
    tokens: Rate | None = None
    concurrent: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """Requests running at the same time in one instance."""


class KeyRecord(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One issued key. `models` are shell-style patterns of public model ids (docs/security.md); empty allows all."""

    id: Annotated[str, Meta(min_length=1, max_length=120)]
    name: str = ""
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}\Z", description="a SHA-256 hash in 64 hexadecimal digits")]
    expires_at: Annotated[datetime, Meta(tz=True, description="a time such as 2027-01-31T12:00:00Z, with its zone")] | None = None
    disabled: bool = False
    models: tuple[str, ...] = ()
    limits: KeyLimits = KeyLimits()
    limits_id: Annotated[str, Meta(min_length=1, max_length=120)] | None = None
    """Keys with the same value share one allowance; default: the key's id. `keys rotate` copies it to the successor."""
    gcs_buckets: tuple[str, ...] = ()
    allowed_resources: tuple[ResourcePrefix, ...] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "sha256", self.sha256.lower())

    def usable(self, now: float) -> bool:
        """Say whether the key may be used at this epoch second."""
        return not self.disabled and (self.expires_at is None or datetime.fromtimestamp(now, UTC) < self.expires_at)


class KeyDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document."""

    keys: tuple[KeyRecord, ...] = ()

    def __post_init__(self) -> None:
        """Of two records of one key, one could forbid what the other allows; of two with one id, each would count as the other."""
        if len({record.sha256 for record in self.keys}) < len(self.keys):
            raise ValueError("two records hold the same sha256")
        if len({record.id for record in self.keys}) < len(self.keys):
            raise ValueError("two records have the same id")


def read(content: bytes) -> KeyDocument:
    """Read the document as it is stored. Raises `FaultyDocumentError`."""
    try:
        return documents.read(codec.decode(content), KeyDocument)
    except codec.MalformedJson as error:
        raise FaultyDocumentError([Fault((), "is no JSON")]) from error
