"""How google-auth sends the few requests of a token's life. Blocks; hides the standard library's HTTP client."""

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import cast
from urllib.parse import urlsplit, urlunsplit

from google.auth import exceptions, transport

from chromagent.upstream.tls import open_trust


class GoogleTransport(transport.Request):
    """google-auth's transport over the standard library: its own one would import `requests`, which nothing else here needs."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: object,
    ) -> "_Response":
        """Send one request of the token life cycle."""
        del kwargs
        parts = urlsplit(url)
        connection = _connection(parts.scheme, parts.netloc, timeout or 10.0)
        try:
            connection.request(method, urlunsplit(("", "", parts.path or "/", parts.query, "")), body, dict(headers or {}))
            return _Response(connection.getresponse())
        except (OSError, HTTPException) as error:
            raise exceptions.TransportError(str(error)) from error
        finally:
            connection.close()


def _connection(scheme: str, host: str, patience: float) -> HTTPConnection:
    if scheme == "https":
        return HTTPSConnection(host, timeout=patience, context=open_trust())
    return HTTPConnection(host, timeout=patience)


class _Response(transport.Response):
    """The three things that google-auth reads of an answer."""

    def __init__(self, answer: HTTPResponse) -> None:
        self._answer = answer
        self._content = answer.read()

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields, by names in any case."""
        return cast("Mapping[str, str]", self._answer.headers)

    @property
    def data(self) -> bytes:
        """The whole body."""
        return self._content
