"""Client key → caller. Hides the form of keys, their store, and how the store is cached.

A key is `sk-cg-` + 43 letters and digits (256 random bits) + 6 of checksum, 55 bytes in all. The checksum refuses typos without
a look-up. Only SHA-256 hashes are stored.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from chromagent import telemetry
from chromagent.errors import InvalidApiKey, Misconfigured, MissingApiKey
from chromagent.schema import keys
from chromagent.schema.documents import FaultyDocumentError
from chromagent.schema.keys import KeyRecord
from chromagent.upstream.secrets import SecretUnavailableError

PREFIX: Final = "sk-cg-"
LONGEST: Final = 120
REFRESH: Final = 300.0
"""Seconds after which the document is read again."""
REFRESH_ON_UNKNOWN: Final = 10.0
"""An unknown key may be a new one: the document is read again for it, at most this often."""
PATIENCE: Final = 5.0
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY: Final = 43
_CHECK: Final = 6

ReadDocument = Callable[[], Awaitable[bytes]]
"""Reads the document of client keys. Raises any exception when the store is away."""


class Caller(NamedTuple):
    """The identity behind a request."""

    id: str
    name: str = ""
    models: tuple[str, ...] = ()
    """Patterns of the models that it may use (`model_patterns`); empty means all."""
    gcs_buckets: frozenset[str] = frozenset()
    requests: str | None = None
    """This key's own rate of requests."""
    tokens: str | None = None
    """This key's own rate of tokens."""
    allowed_resources: tuple[str, ...] = ()
    """Prefixes of resource names, beyond those that a backend allows everybody."""


ANONYMOUS: Final = Caller("anonymous")


class KeyStoreUnavailable(Misconfigured):
    """The document of client keys was never read: nobody can be let in."""

    default_message = "The gateway's key store cannot be read."
    when = "the key store cannot be read"


def create_key() -> str:
    """Draw a new key."""
    number = secrets.randbits(256)
    body = _base62(number, _BODY)
    return f"{PREFIX}{body}{_checksum(body)}"


def hash_key(key: str) -> str:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def is_well_formed(key: str) -> bool:
    """Say whether a key could have been issued here: prefix, length and checksum."""
    body = key.removeprefix(PREFIX)
    if len(key) != len(PREFIX) + _BODY + _CHECK or not key.startswith(PREFIX) or not body.isascii():
        return False
    return hmac.compare_digest(_checksum(body[:_BODY]), body[_BODY:])


def presented_key(headers: Mapping[str, str]) -> str | None:
    """Find the client key among the headers (names in lower case).

    API Gateway puts its own Google token into `authorization` and moves the client's value to `x-forwarded-authorization`
    (gcp-platform §1.4), so that one is read first, and a token of Google's is no key.
    """
    for name in ("x-forwarded-authorization", "authorization"):
        scheme, _, value = headers.get(name, "").partition(" ")
        key = value.strip()
        if scheme.lower() == "bearer" and key and not _is_json_web_token(key):
            return key
    for name in ("x-api-key", "api-key"):
        if (key := headers.get(name, "").strip()).startswith(PREFIX):
            return key
    return None


class KeyRing:
    """The issued keys, cached. A document that cannot be read again goes on serving."""

    def __init__(self, read: ReadDocument, clock: Callable[[], float] = time.time) -> None:
        self._read = read
        self._clock = clock
        self._known: dict[str, tuple[KeyRecord, Caller]] = {}
        """By the key's hash."""
        self._read_at: float | None = None
        self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Return who calls. Raises `MissingApiKey`, `InvalidApiKey` or `KeyStoreUnavailable`."""
        key = presented_key(headers)
        if key is None:
            raise MissingApiKey
        if len(key) > LONGEST or not key.startswith(PREFIX):
            raise InvalidApiKey
        digest = hash_key(key)
        if digest not in self._known and not is_well_formed(key):  # those who are known need not be checked twice
            raise InvalidApiKey
        return await self._look_up(digest)

    async def _look_up(self, digest: str) -> Caller:
        if self._age() >= REFRESH:
            await self._refresh()
        if self._read_at is None:
            raise KeyStoreUnavailable
        known = self._known.get(digest)
        if known is None and self._age() >= REFRESH_ON_UNKNOWN:
            await self._refresh()
            known = self._known.get(digest)
        if known is None:
            raise InvalidApiKey
        record, caller = known
        if not hmac.compare_digest(record.sha256, digest) or not record.usable(self._clock()):
            raise InvalidApiKey
        return caller

    def _age(self) -> float:
        """Seconds since the store was last asked, well or not; without any document it is asked for every request."""
        if self._read_at is None:
            return float("inf")
        return self._clock() - self._tried_at

    async def _refresh(self) -> None:
        """Read the document, one reading at a time; all who wait share it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_now())
        await asyncio.wait({self._reading}, timeout=PATIENCE)

    async def _read_now(self) -> None:
        self._tried_at = self._clock()
        try:
            document = keys.read(await self._read())
        except Exception as error:  # whatever it is, a store that is away or broken must not lock out those who are known
            telemetry.write_warning("the client keys cannot be read", {"reason": _reason(error)})
            return
        self._known = {record.sha256: (record, _caller(record)) for record in document.keys}
        self._read_at = self._clock()


class Authenticator:
    """Answers who calls, before anything else of a request is looked at."""

    def __init__(self, keys: KeyRing | None, *, allow_anonymous: bool) -> None:
        self._keys = keys
        self._allow_anonymous = allow_anonymous

    async def __call__(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller. Raises `MissingApiKey`, `InvalidApiKey` or `Misconfigured`: never open by accident."""
        if self._keys is not None:
            return await self._keys.authenticate(headers)
        if self._allow_anonymous:
            return ANONYMOUS
        raise Misconfigured("This gateway has no client keys: set `client_keys`, or `allow_anonymous` to serve everybody.")


def _caller(record: KeyRecord) -> Caller:
    limits = record.limits
    return Caller(
        record.id,
        record.name,
        record.models,
        frozenset(record.gcs_buckets),
        limits.requests,
        limits.tokens,
        record.allowed_resources,
    )


def _reason(error: Exception) -> str:
    """Say what is wrong with the key store, and nothing of what it holds."""
    if isinstance(error, FaultyDocumentError):
        fault = error.faults[0]
        path = fault.path[:-1] if fault.is_unknown else fault.path  # an unknown name may be a key itself
        first = ".".join(str(step) for step in path)
        return f"faults in the document: {len(error.faults)}, the first at {first or 'its start'}"
    return str(error) if isinstance(error, SecretUnavailableError) else type(error).__name__


def _is_json_web_token(text: str) -> bool:
    return text.startswith("ey") and text.count(".") == 2


def _checksum(body: str) -> str:
    return _base62(int.from_bytes(hashlib.sha256(f"{PREFIX}{body}".encode()).digest()[:4]), _CHECK)


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
