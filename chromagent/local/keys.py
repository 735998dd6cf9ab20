"""Issuing client keys from the command line: a key is shown once, its record is what the key store keeps."""

import secrets
from datetime import UTC, datetime, timedelta

from chromagent.codec import JsonObject
from chromagent.policy.authentication import create_key, hash_key


def issue(name: str, *, days: int | None = None, models: tuple[str, ...] = ()) -> tuple[str, JsonObject]:
    """Return a new key and its record for the document of client keys."""
    key = create_key()
    record: JsonObject = {"id": f"key_{secrets.token_hex(6)}", "name": name, "sha256": hash_key(key)}
    if days is not None:
        record["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    if models:
        record["models"] = list(models)
    return key, record
