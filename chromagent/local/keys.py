"""Client keys from the command line: a key is shown once, its record is what the key store keeps. Hides where that store is.

A store is a file (`file:/path`, written whole or not at all) or a secret (`projects/…/versions/latest`, each change a new version).
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.local.processes import StartError
from chromagent.policy.authentication import create_key, hash_key
from chromagent.schema import documents
from chromagent.schema import keys as key_documents
from chromagent.schema.documents import FaultyDocumentError
from chromagent.schema.keys import KeyDocument, KeyRecord
from chromagent.upstream.secret_manager import SecretManager
from chromagent.upstream.secrets import SecretMissingError, SecretUnavailableError

OVERLAP_DAYS: Final = 7
"""Days for which a rotated key stays valid."""
_OWN_FIELDS: Final = frozenset({"id", "sha256", "expires_at", "disabled"})
"""What a successor does not take over from its predecessor."""


def issue(
    name: str,
    *,
    days: int | None = None,
    models: Sequence[str] = (),
    buckets: Sequence[str] = (),
    resources: Sequence[str] = (),
    limits: Mapping[str, str] | None = None,
) -> tuple[str, JsonObject]:
    """Return a new key and its record for the document of client keys. Raises `StartError` for a record that is not valid."""
    key = create_key()
    record: JsonObject = {"id": f"key_{secrets.token_hex(6)}", "name": name, "sha256": hash_key(key)}
    if days is not None:
        record["expires_at"] = _in_days(days)
    if models:
        record["models"] = list(models)
    if buckets:
        record["gcs_buckets"] = list(buckets)
    if resources:
        record["allowed_resources"] = list(resources)
    if limits:
        record["limits"] = dict(limits)
    try:
        documents.read(record, KeyRecord)
    except FaultyDocumentError as error:
        raise StartError(str(error)) from error
    return key, record


def add(records: Sequence[JsonObject], record: JsonObject) -> list[JsonObject]:
    """Return the records with a new one. Raises `StartError` if a key that still works has its name."""
    name = record.get("name")
    if taken := [other for other in _usable(records) if name and other.get("name") == name]:
        raise StartError(f"the key {taken[-1]['id']} is called {name} already: choose another name, rotate that key, or disable it")
    return [*records, record]


def disable(records: Sequence[JsonObject], which: str) -> list[JsonObject]:
    """Return the records with one key disabled: that of an id, or that of a name, with the predecessors that still work.

    Raises `StartError` if there is none, or if the name is not unique.
    """
    chosen = {record["id"] for record in _find(records, which)}
    return [{**record, "disabled": True} if record["id"] in chosen else record for record in records]


def rotate(
    records: Sequence[JsonObject], which: str, *, overlap_days: int = OVERLAP_DAYS, days: int | None = None
) -> tuple[str, list[JsonObject]]:
    """Return a successor of the key of an id or a unique name, and the records; the old key stays valid for the overlap period.

    The successor has the rights and limits of the old key, and its end, unless `days` gives another. Raises `StartError`.
    """
    chosen = _find(records, which)
    if not (live := _usable(chosen)):
        raise StartError(f"the key {which} is disabled or expired: issue a new one")
    old = live[-1]
    key, fresh = issue(str(old.get("name", "")), days=days)
    inherited = {name: value for name, value in old.items() if name not in _OWN_FIELDS}
    if days is None and "expires_at" in old:
        inherited["expires_at"] = old["expires_at"]
    successor = {**inherited, **fresh, "limits_id": _lineage(old)}
    ends = _in_days(overlap_days)
    ending = {record["id"] for record in live}
    kept = [{**record, "expires_at": _earlier(record, ends)} if record["id"] in ending else record for record in records]
    return key, [*kept, successor]


def _earlier(record: JsonObject, ends: str) -> JsonValue:
    """Return the time that ends a record: its own, as it is spelt there, or this one."""
    own = documents.read(record, KeyRecord).expires_at
    return record["expires_at"] if own is not None and own < datetime.fromisoformat(ends) else ends


def describe(records: Sequence[JsonObject]) -> list[str]:
    """Write a line for each key: id, name, state."""
    now = datetime.now(UTC).timestamp()
    lines: list[str] = []
    for record, known in zip(records, documents.read({"keys": list(records)}, KeyDocument).keys, strict=True):
        state = "disabled" if known.disabled else "works" if known.usable(now) else "expired"
        until = f", until {known.expires_at.isoformat(timespec='seconds')}" if known.expires_at and state == "works" else ""
        models = f", models {' '.join(known.models)}" if known.models else ""
        lines.append(f"{record['id']:<18} {known.name:<24} {state}{until}{models}")
    return lines


class KeyStore:
    """Reads and writes the document that a reference names."""

    def __init__(self, reference: str, secret_manager: SecretManager | None = None) -> None:
        self._reference = reference
        self._secret_manager = secret_manager or SecretManager()
        self._is_file = reference.startswith("file:")
        self._path = Path(reference.removeprefix("file:")).resolve()
        if not reference.startswith(("file:", "projects/")):
            raise StartError(
                f"keys can be kept in a file: or a secret (projects/…/versions/latest), not in {reference.partition(':')[0]}"
            )

    async def change(self, change: Callable[[list[JsonObject]], list[JsonObject]]) -> str:
        """Read, change and write; return where the records are now. Raises `StartError`.

        On a file this is one step: others who change it wait. A secret knows no such thing.
        """
        with self._alone():
            return await self.write(change(await self.read()))

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        """Lock the folder, as the file itself is replaced."""
        if not self._is_file:
            yield
            return
        try:
            folder = os.open(self._path.parent, os.O_RDONLY)
        except OSError as error:
            raise StartError(f"{self._reference}: cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    async def read(self) -> list[JsonObject]:
        """Return the records; none of a file or a secret that holds nothing yet. Raises `StartError`."""
        try:
            content = await self._content()
            key_documents.read(content)
        except SecretUnavailableError as error:
            raise StartError(str(error)) from error
        except FaultyDocumentError as error:
            raise StartError(f"{self._reference}: is no document of client keys: {error}") from error
        except OSError as error:
            raise StartError(f"{self._reference}: cannot be read: {error.strerror}") from error
        return list(cast("list[JsonObject]", codec.decode(content).get("keys", [])))

    async def write(self, records: Sequence[JsonObject]) -> str:
        """Write the records, checked; return where they are now. Raises `StartError`."""
        content = codec.encode({"keys": list(records)})
        key_documents.read(content)
        try:
            if not self._is_file:
                return await self._secret_manager.add(self._reference, content)
            await asyncio.to_thread(_replace, self._path, content)
        except (SecretUnavailableError, OSError) as error:
            raise StartError(f"{self._reference}: cannot be written: {error}") from error
        return self._reference

    async def _content(self) -> bytes:
        with contextlib.suppress(FileNotFoundError, SecretMissingError):
            if not self._is_file:
                return await self._secret_manager.read(self._reference)
            return await asyncio.to_thread(self._path.read_bytes)
        return b'{"keys": []}'


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a new one for its owner only, an old one for those who could read it."""
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _find(records: Sequence[JsonObject], which: str) -> list[JsonObject]:
    """Return the record of an id, or those of one key and its predecessors by their name. An id is looked for first."""
    if chosen := [record for record in records if record["id"] == which]:
        return chosen
    named = [record for record in records if record.get("name") == which]
    if not named:
        raise StartError(f"there is no key called {which}")
    chosen = _usable(named) or named
    if len({_lineage(record) for record in chosen}) > 1:
        ids = ", ".join(str(record["id"]) for record in chosen)
        raise StartError(f"several keys are called {which}: name the one you mean by its id ({ids})")
    return chosen


def _lineage(record: JsonObject) -> str:
    """Return what a key has in common with its successors: the id of the first of them."""
    return str(record.get("limits_id") or record["id"])


def _usable(records: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the records of keys that are neither disabled nor expired."""
    now = datetime.now(UTC).timestamp()
    return [record for record in records if documents.read(record, KeyRecord).usable(now)]


def _in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
