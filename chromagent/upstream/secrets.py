"""Where secret values come from. Hides the store behind a reference: `projects/…/versions/V`, `file:/path` or `env:NAME`."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from chromagent import telemetry

KEPT_FOR: Final = 300.0
"""Seconds for which a value serves."""
TRY_AGAIN: Final = 15.0
"""Seconds between tries while the store is away."""
PATIENCE: Final = 5.0
"""Seconds that one who can do with the last value waits for the next."""


class SecretUnavailableError(Exception):
    """The secret cannot be read now. The text names the reference and the reason, never a value."""


class SecretDeniedError(SecretUnavailableError):
    """The store works, and says that this value is not to be had: it is missing, disabled, or not ours to read."""


class SecretMissingError(SecretDeniedError):
    """There is no such secret, or it has no such version."""


class SecretSource(Protocol):
    """Reads the current value of a secret."""

    async def read(self, reference: str) -> bytes:
        """Return the value. Raises `SecretUnavailableError`."""
        ...


class ReferencedSecrets:
    """Reads each kind of reference from its own store. Nothing is cached here: how long a value serves is its user's choice."""

    def __init__(self, environment: Mapping[str, str], secret_manager: SecretSource) -> None:
        self._environment = environment
        self._secret_manager = secret_manager

    async def read(self, reference: str) -> bytes:
        """Return the value that the reference names now. Raises `SecretUnavailableError`."""
        if name := _after("env:", reference):
            return self._read_variable(name)
        if path := _after("file:", reference):
            return await asyncio.to_thread(_read_file, Path(path))
        return await self._secret_manager.read(reference)

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
        kind = SecretDeniedError if isinstance(error, FileNotFoundError | PermissionError) else SecretUnavailableError
        raise kind(f"file:{path}: {error.strerror}") from error


class KeptSecrets:
    """Keeps values for five minutes. One read at a time for each; while the store is away, the last value goes on serving."""

    def __init__(self, source: SecretSource, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._reading: dict[str, asyncio.Task[bytes]] = {}

    async def read(self, reference: str) -> bytes:
        """Return the value. Raises `SecretUnavailableError` if there never was one."""
        kept = self._kept.get(reference)
        if kept is not None and self._clock() < kept[0] + KEPT_FOR:
            return kept[1]
        task = self._reading.get(reference)
        if task is None:
            task = self._reading[reference] = asyncio.create_task(self._source.read(reference))
            task.add_done_callback(lambda done: self._note(reference, done))
        try:
            async with asyncio.timeout(None if kept is None else PATIENCE):  # Python 3.11's `wait_for` may lose a cancellation
                return await asyncio.shield(task)
        except TimeoutError:
            self._try_later(reference)
        except SecretUnavailableError:
            if kept is None:
                raise
        return self._kept[reference][1]

    def forget(self, reference: str) -> None:
        """Ask the store at the next read; the value may have been rotated."""
        if (kept := self._kept.get(reference)) is not None:
            self._kept[reference] = (float("-inf"), kept[1])

    def _note(self, reference: str, done: "asyncio.Task[bytes]") -> None:
        del self._reading[reference]
        if done.cancelled():
            return
        fault = done.exception()
        if fault is None:
            self._kept[reference] = (self._clock(), done.result())
            return
        # Whoever is served an older value learns nothing of it: the log is where the owner does.
        reason = str(fault) if isinstance(fault, SecretUnavailableError) else type(fault).__name__
        telemetry.write_warning("a secret cannot be read", {"reason": reason})
        self._try_later(reference)

    def _try_later(self, reference: str) -> None:
        """Let the last value, if there is one, serve until it makes sense to ask again."""
        if (kept := self._kept.get(reference)) is not None:
            self._kept[reference] = (self._clock() - KEPT_FOR + TRY_AGAIN, kept[1])
