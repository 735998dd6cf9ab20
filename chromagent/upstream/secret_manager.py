"""Google's Secret Manager. Hides its official client.

It is imported here, and only once a reference needs it: it costs a cold start half a second and 47 MiB that others need not pay.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from chromagent.upstream.secrets import SecretDeniedError, SecretMissingError, SecretUnavailableError

ANSWER_WITHIN: Final = 10.0
"""Seconds."""
SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)


class SecretManager:
    """Reads versions and adds them, over one connection that opens with the first call."""

    def __init__(self, open_client: Callable[[], Any] | None = None) -> None:
        self._open_client = open_client
        self._client: Any = None

    async def read(self, reference: str) -> bytes:
        """Return the value of `projects/…/secrets/…/versions/V`, its checksum verified.

        Raises `SecretUnavailableError`; its kinds `SecretMissingError` and `SecretDeniedError` say that waiting does not help.
        """
        answer = await self._ask(reference, lambda client: client.access_secret_version(name=reference, timeout=ANSWER_WITHIN))
        data: bytes = answer.payload.data
        told = int(answer.payload.data_crc32c)
        if told and told != await asyncio.to_thread(_checksum, data):
            raise SecretUnavailableError(f"{reference}: the value is damaged")
        return data

    async def add(self, reference: str, value: bytes) -> str:
        """Add a version to the secret that a reference names a version of; return the new version's name."""
        parent = reference.partition("/versions/")[0]
        checksum = await asyncio.to_thread(_checksum, value)
        payload = {"data": value, "data_crc32c": checksum}
        answer = await self._ask(
            parent, lambda client: client.add_secret_version(parent=parent, payload=payload, timeout=ANSWER_WITHIN)
        )
        return str(answer.name)

    async def _ask(self, subject: str, call: Callable[[Any], Any]) -> Any:
        from google.api_core.exceptions import FailedPrecondition, GoogleAPIError, NotFound, PermissionDenied  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

        try:
            if self._client is None:
                open_client = self._open_client or await asyncio.to_thread(_prepare)
                self._client = open_client()  # on this thread: gRPC's channel belongs to the event loop
            return await call(self._client)
        except NotFound as error:
            raise SecretMissingError(f"{subject}: NotFound") from error
        except (PermissionDenied, FailedPrecondition) as error:  # the latter is a version that was disabled or destroyed
            raise SecretDeniedError(f"{subject}: {type(error).__name__}") from error
        except (GoogleAPIError, GoogleAuthError) as error:
            raise SecretUnavailableError(f"{subject}: {type(error).__name__}") from error


def _prepare() -> Callable[[], Any]:
    """Import the client and find the identity, which blocks; return what opens the client."""
    from google.auth import default  # noqa: PLC0415  # pyright: ignore[reportUnknownVariableType] - half typed there
    from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient  # noqa: PLC0415

    identity = cast("tuple[Any, Any]", default(scopes=SCOPES))[0]
    return lambda: SecretManagerServiceAsyncClient(credentials=identity)


def _checksum(data: bytes) -> int:
    import google_crc32c  # noqa: PLC0415

    return cast("int", cast("Any", google_crc32c).value(data))
