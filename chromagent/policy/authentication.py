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
from chromagent.upstream.secrets import SecretDeniedError, SecretUnavailableError

PREFIX: Final = "sk-cg-"
LONGEST: Final = 120
REFRESH: Final = 300.0
"""Seconds after which the document is read again."""
REFRESH_ON_UNKNOWN: Final = 10.0
"""An unknown key may be a new one: the document is read again for it, at most this often."""
RETRY_INTERVAL: Final = 30.0
"""Seconds between two readings while the store cannot be read."""
DEFAULT_MAX_STALE: Final = 3600.0
"""Seconds for which keys work that cannot be read again."""
MAX_STALE_WHEN_DENIED: Final = 300.0
"""The same from the moment on when the store says that the document is missing, disabled or not ours to read."""
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
    limits_id: str = ""
    """Whose limits this key uses up: those of the key that it succeeded, else its own."""
    concurrent: int | None = None
    """How many requests of this key may run at the same time in one instance."""
    allowed_resources: tuple[str, ...] = ()
    """Prefixes of resource names, beyond those that a backend allows everybody."""


ANONYMOUS: Final = Caller("anonymous", limits_id="anonymous")


class KeyStoreUnavailable(Misconfigured):
    """The document of client keys was never read, or not for too long: nobody can be let in."""

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
    """The issued keys, cached. A document that cannot be read again serves for a bounded time.

    Ages are measured by a clock that nobody sets; only the ends of keys are compared with the time of day.
    """

    def __init__(
        self,
        read: ReadDocument,
        *,
        max_stale: float = DEFAULT_MAX_STALE,
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._max_stale = max_stale
        self._clock = clock
        self._time_of_day = time_of_day
        self._known: dict[str, tuple[KeyRecord, Caller]] = {}
        """By the key's hash."""
        self._read_at: float | None = None
        """When the reading of the present document began."""
        self._tried_at = float("-inf")
        self._failing = False
        self._denied_at: float | None = None
        """When the store began to deny the document, if it did so ever since."""
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
        if self._age() >= (RETRY_INTERVAL if self._failing else REFRESH):
            await self._refresh()
        if self._too_old():
            raise KeyStoreUnavailable
        known = self._known.get(digest)
        if known is None and self._age() >= REFRESH_ON_UNKNOWN:
            await self._refresh()
            known = self._known.get(digest)
        if known is None:
            raise InvalidApiKey
        record, caller = known
        if not hmac.compare_digest(record.sha256, digest) or not record.usable(self._time_of_day()):
            raise InvalidApiKey
        return caller

    def _age(self) -> float:
        """Seconds since the store was last asked, well or not; without a document that serves it is asked for every request."""
        return float("inf") if self._too_old() else self._clock() - self._tried_at

    def _too_old(self) -> bool:
        return self._time_left() <= 0

    def _time_left(self) -> float:
        """Seconds for which the present document still serves if it cannot be read again."""
        if self._read_at is None:
            return 0.0
        left = self._read_at + self._max_stale - self._clock()
        if self._denied_at is None:
            return left
        return min(left, self._denied_at + MAX_STALE_WHEN_DENIED - self._clock())

    async def _refresh(self) -> None:
        """Read the document, one reading at a time; all who wait share it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_now())
        await asyncio.wait({self._reading}, timeout=PATIENCE)

    async def _read_now(self) -> None:
        began = self._tried_at = self._clock()
        try:
            document = keys.read(await self._read())
        except Exception as error:  # whatever it is, a store that is away or broken must not lock out those who are known at once
            self._note_failure(error)
            return
        self._known = {record.sha256: (record, _caller(record)) for record in document.keys}
        self._read_at, self._failing, self._denied_at = began, False, None

    def _note_failure(self, error: Exception) -> None:
        self._failing = True
        if not isinstance(error, SecretDeniedError):
            self._denied_at = None
        elif self._denied_at is None:
            self._denied_at = self._clock()
        left = round(self._time_left())
        if left > 0:
            telemetry.write_warning("the client keys cannot be read", {"reason": _reason(error), "serve_for_seconds": left})
        else:
            telemetry.write_error("the client keys cannot be read, and nobody is let in", {"reason": _reason(error)})


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
        record.limits_id or record.id,
        limits.concurrent,
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
