"""Where secret values come from. Hides the store behind a reference: `projects/…/versions/V`, `file:/path` or `env:NAME`."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class SecretUnavailableError(Exception):
    """The secret cannot be read now. The text names the reference and the reason, never a value."""


class SecretSource(Protocol):
    """Reads the current value of a secret."""

    async def read(self, reference: str) -> bytes:
        """Return the value. Raises `SecretUnavailableError`."""
        ...


class ReferencedSecrets:
    """Reads each kind of reference from its own store. Nothing is cached here: how long a value serves is its user's choice."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def read(self, reference: str) -> bytes:
        """Return the value that the reference names now. Raises `SecretUnavailableError`."""
        if name := _after("env:", reference):
            return self._read_variable(name)
        if path := _after("file:", reference):
            return await asyncio.to_thread(_read_file, Path(path))
        return await _access(reference)

    def _read_variable(self, name: str) -> bytes:
        value = self._environment.get(name)
        if value is None:
            raise SecretUnavailableError(f"env:{name}: the variable is not set")
        return value.encode()


def _after(scheme: str, reference: str) -> str | None:
    return reference.removeprefix(scheme) if reference.startswith(scheme) else None


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SecretUnavailableError(f"file:{path}: {error.strerror}") from error


async def _access(reference: str) -> bytes:
    """Ask Secret Manager. Its client is imported here because it costs 190 ms and 47 MiB that other references need not pay."""
    from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
    from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient  # noqa: PLC0415

    try:
        async with SecretManagerServiceAsyncClient() as client:
            answer = await client.access_secret_version(name=reference, timeout=10.0)  # pyright: ignore[reportUnknownMemberType] - half typed there
    except (GoogleAPIError, GoogleAuthError) as error:
        raise SecretUnavailableError(f"{reference}: {type(error).__name__}") from error
    return answer.payload.data
