"""When Google's metadata server is asked directly, and what becomes of its odd answers."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from google.auth.exceptions import GoogleAuthError

from chromagent.upstream import metadata_server
from chromagent.upstream.google_transport import GoogleTransport
from chromagent.upstream.metadata_server import HOST, MetadataIdentity, host_of

TOKEN = b'{"access_token": "a-token", "expires_in": 3599, "token_type": "Bearer"}'


@contextmanager
def answering(*answers: tuple[int, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Answer in order, the last again and again; give the address and the paths that were asked for."""
    asked: list[str] = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers['Metadata-Flavor']} {self.path}")
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({}, None),
        ({"K_SERVICE": "chat"}, HOST),
        ({"GCE_METADATA_HOST": "127.0.0.1:9"}, "127.0.0.1:9"),
        ({"K_SERVICE": "chat", "GCE_METADATA_HOST": "127.0.0.1:9"}, "127.0.0.1:9"),
        ({"K_SERVICE": "chat", "GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}, None),
    ],
)
def test_it_is_asked_directly_where_nothing_comes_before_it(
    environment: Mapping[str, str], host: str | None, tmp_path: Path
) -> None:
    assert host_of({"HOME": str(tmp_path), **environment}) == host


def test_the_login_of_gcloud_comes_before_it(tmp_path: Path) -> None:
    (tmp_path / "application_default_credentials.json").write_text("{}")
    assert host_of({"K_SERVICE": "chat", "CLOUDSDK_CONFIG": str(tmp_path)}) is None


def test_a_token_is_asked_for_with_its_scope_and_googles_header() -> None:
    with answering((200, TOKEN)) as (host, asked):
        identity = MetadataIdentity(host, "https://scope.test/a")
        identity.refresh(GoogleTransport())
    assert identity.token == "a-token"
    account = "/computeMetadata/v1/instance/service-accounts/default"
    assert asked == [f"Google {account}/token?scopes=https%3A%2F%2Fscope.test%2Fa"]


def test_a_server_that_is_not_up_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_server, "PAUSES", (0.01, 0.01))
    with answering((503, b""), (429, b""), (200, TOKEN)) as (host, asked):
        identity = MetadataIdentity(host, "s")
        identity.refresh(GoogleTransport())
    assert (identity.token, len(asked)) == ("a-token", 3)


@pytest.mark.parametrize(("status", "body"), [(404, b"no"), (200, b"{"), (200, b"{}"), (200, b"[]")])
def test_an_answer_without_a_token_is_googles_error_and_asked_for_once(status: int, body: bytes) -> None:
    with answering((status, body)) as (host, asked), pytest.raises(GoogleAuthError):
        MetadataIdentity(host, "s").refresh(GoogleTransport())
    assert len(asked) == 1


def test_a_server_that_is_away_is_googles_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_server, "PAUSES", (0.01, 0.01))
    with pytest.raises(GoogleAuthError):
        MetadataIdentity("127.0.0.1:1", "s").refresh(GoogleTransport())
