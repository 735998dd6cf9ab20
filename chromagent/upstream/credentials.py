"""Who the gateway is to an upstream. Hides Google's token life cycle: where a token comes from, when it is renewed, and the threads
that google-auth's blocking calls need.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol, cast

from google.auth import exceptions, transport
from google.auth.credentials import Credentials

from chromagent import telemetry
from chromagent.errors import Misconfigured, UpstreamAuthenticationFailed
from chromagent.upstream.google_transport import GoogleTransport
from chromagent.upstream.metadata_server import MetadataIdentity
from chromagent.upstream.secrets import KeptSecrets, SecretUnavailableError

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
RENEW_AHEAD: Final = 300.0
"""Seconds of remaining life under which a token is renewed while it still serves (wire-gemini §1.5)."""
RENEW_EVERY: Final = 1.0
"""Least seconds between two renewals ahead of time: the metadata server may give the same token until shortly before its end."""
RETRY_INTERVAL: Final = 1.0
"""Seconds for which a renewal that failed is not tried again: a burst of requests does not ask for a token each."""
PATIENCE: Final = 5.0
"""Seconds that a request waits for a token when there is none."""


class UpstreamCredentials(Protocol):
    """Gives the headers that prove the gateway's identity."""

    async def headers(self) -> Mapping[str, str]:
        """Return them. Raises `UpstreamAuthenticationFailed` or `Misconfigured`."""
        ...

    def refused(self, sent: Mapping[str, str]) -> None:
        """Report that the upstream answered 401 to a request with these headers: `headers` must not return them again.

        What was renewed meanwhile stays: requests that are refused together lead to one renewal.
        """
        ...

    async def project(self) -> str | None:
        """Return the project that the credentials name, if any."""
        ...


class NoCredentials:
    """For upstreams that need none, such as the simulated one."""

    async def headers(self) -> Mapping[str, str]:
        """Return a token that only a simulation accepts."""
        return {"authorization": "Bearer simulated"}

    def refused(self, sent: Mapping[str, str]) -> None:
        """Change nothing: there is nothing else to send."""

    async def project(self) -> str | None:
        """Know no project."""
        return None


class ApiKey:
    """A key of Vertex express mode or of the Gemini Developer API, from a secret. Re-read after a 401, as it may have rotated."""

    def __init__(self, secrets: KeptSecrets, reference: str) -> None:
        self._secrets = secrets
        self._reference = reference
        self._key = ""

    async def headers(self) -> Mapping[str, str]:
        """Return the key in its own header: Google refuses one in the query to our project URL, and queries get logged."""
        try:
            key = await self._secrets.read(self._reference)
        except SecretUnavailableError as error:
            raise Misconfigured("The gateway cannot read its key for the model provider.") from error
        text = key.decode("latin-1").strip()
        if not re.fullmatch(r"[!-~]+", text):
            raise Misconfigured("The gateway's key for the model provider is empty or no key.")
        self._key = text
        return {"x-goog-api-key": text}

    def refused(self, sent: Mapping[str, str]) -> None:
        """Forget the key, if it is the one that was sent."""
        if sent.get("x-goog-api-key") == self._key:
            self._secrets.forget(self._reference)

    async def project(self) -> str | None:
        """Know no project: the key's own project serves."""
        return None


class GoogleCredentials:
    """OAuth tokens through google-auth: the environment's own identity (ADC), or a service-account document from a secret.

    One renewal at a time, in a thread. While the old token lives nobody waits for the new one.
    """

    def __init__(self, secrets: KeptSecrets, reference: str | None = None, *, metadata_host: str | None = None) -> None:
        self._secrets = secrets
        self._reference = reference
        self._metadata_host = metadata_host
        """Where the environment's own identity is known to end; None leaves the search to google-auth."""
        self._request = GoogleTransport()
        self._document: bytes | None = None
        self._credentials: Credentials | MetadataIdentity | None = None
        self._project: str | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._renewed_at = float("-inf")
        self._failed_at = float("-inf")
        self._void = False

    def begin(self) -> None:
        """Begin to fetch the first token, for a request that will need it: nobody waits here."""
        if self._credentials is None:
            self._renew()

    async def headers(self) -> Mapping[str, str]:
        """Return a live token, and the quota project if the credentials carry one."""
        remaining = self._remaining()
        if remaining <= 0:
            if time.monotonic() - self._failed_at < RETRY_INTERVAL:
                raise UpstreamAuthenticationFailed
            await _wait_for(self._renew())
        elif remaining < RENEW_AHEAD and time.monotonic() - self._renewed_at >= RENEW_EVERY:
            self._renew()
        credentials = self._credentials
        if credentials is None or not credentials.token:
            raise UpstreamAuthenticationFailed
        headers = {"authorization": _bearer(credentials)}
        if quota_project := getattr(credentials, "quota_project_id", None):
            headers["x-goog-user-project"] = quota_project
        return headers

    def refused(self, sent: Mapping[str, str]) -> None:
        """Treat the token that was sent as expired, and the document behind it as rotated."""
        if self._credentials is None or sent.get("authorization") != _bearer(self._credentials):
            return
        self._void = True
        if self._reference is not None:
            self._secrets.forget(self._reference)

    async def project(self) -> str | None:
        """Return the project of the credentials."""
        if self._credentials is None:
            await _wait_for(self._renew())
        return self._project

    def _remaining(self) -> float:
        credentials = self._credentials
        if credentials is None or self._void or not credentials.token:
            return 0.0
        if credentials.expiry is None:
            return float("inf")
        now = datetime.now(UTC).replace(tzinfo=None)  # google-auth keeps naive times in UTC
        return (credentials.expiry - now).total_seconds()

    def _renew(self) -> "asyncio.Task[None]":
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew_now())
            self._renewal.add_done_callback(_retrieve)
        return self._renewal

    async def _renew_now(self) -> None:
        try:
            await self._fetch_token()
        except Exception:
            self._failed_at = time.monotonic()
            raise

    async def _fetch_token(self) -> None:
        document = await self._read_document()
        if self._credentials is None or document != self._document:
            self._document = document
            self._credentials, self._project = await asyncio.to_thread(_find, document, self._metadata_host, self._request)
        await asyncio.to_thread(_refresh, self._credentials, self._request)
        self._renewed_at = time.monotonic()
        self._void = False

    async def _read_document(self) -> bytes | None:
        if self._reference is None:
            return None
        try:
            return await self._secrets.read(self._reference)
        except SecretUnavailableError as error:
            raise Misconfigured("The gateway cannot read its credentials for the model provider.") from error


def _find(
    document: bytes | None, metadata_host: str | None, request: transport.Request
) -> tuple[Credentials | MetadataIdentity, str | None]:
    """Find the identity: that of the document, else that of the environment. Blocks; imports only what its case needs."""
    if document is None and metadata_host is not None:
        own = MetadataIdentity(metadata_host, SCOPES[0])
        return own, own.project(request)
    if document is None:
        from google.auth import default  # noqa: PLC0415  # pyright: ignore[reportUnknownVariableType] - half typed there

        return cast("tuple[Credentials, str | None]", default(scopes=list(SCOPES), request=request))
    from google.oauth2.service_account import Credentials as ServiceAccount  # noqa: PLC0415

    try:
        identity: Any = ServiceAccount.from_service_account_info(json.loads(document), scopes=SCOPES)  # pyright: ignore[reportUnknownMemberType] - untyped there
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misconfigured("The configured credentials are no service-account document.") from error
    return identity, identity.project_id


def _refresh(credentials: Any, request: transport.Request) -> None:
    """Fetch a new token. Blocks."""
    credentials.refresh(request)


def _bearer(credentials: Credentials | MetadataIdentity) -> str:
    return f"Bearer {credentials.token}"


async def _wait_for(renewal: "asyncio.Task[None]") -> None:
    try:
        async with asyncio.timeout(PATIENCE):  # Python 3.11's `wait_for` may lose a cancellation
            await asyncio.shield(renewal)
    except (exceptions.GoogleAuthError, TimeoutError) as error:
        raise UpstreamAuthenticationFailed from error


def _retrieve(renewal: "asyncio.Task[None]") -> None:
    """Tell the owner why a renewal failed; whoever waits for it learns only that it did."""
    if not renewal.cancelled() and (error := renewal.exception()) is not None:
        telemetry.write_warning("no token for the model provider could be fetched", {"reason": type(error).__name__})
