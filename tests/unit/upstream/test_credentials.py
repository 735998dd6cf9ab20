import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from chromagent import telemetry
from chromagent.errors import Misconfigured, UpstreamAuthenticationFailed
from chromagent.upstream import credentials
from chromagent.upstream.credentials import ApiKey, GoogleCredentials
from chromagent.upstream.secret_manager import SecretManager
from chromagent.upstream.secrets import KeptSecrets, ReferencedSecrets

pytestmark = pytest.mark.anyio

Identity = Callable[[], GoogleCredentials]


def kept(environment: Mapping[str, str]) -> KeptSecrets:
    return KeptSecrets(ReferencedSecrets(environment, SecretManager()))


@dataclass
class MetadataServer:
    """Google's metadata server, as far as google-auth asks it; the test decides how long a token lives and how slow it is."""

    lifetime: int = 3600
    delay: float = 0.0
    status: int = 200
    tokens: int = 0
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str) -> tuple[int, str, str]:
        if path.endswith("/token") or "/token?" in path:
            time.sleep(self.delay)
            with self.lock:
                self.tokens += 1
            body = {"access_token": f"token-{self.tokens}", "expires_in": self.lifetime, "token_type": "Bearer"}
            return self.status, json.dumps(body), "application/json"
        if path.endswith("/project/project-id"):
            return 200, "the-project", "text/plain"
        if "service-accounts/" in path:
            return 200, json.dumps({"email": "fn@the-project.test", "scopes": ["x"], "aliases": []}), "application/json"
        return 200, "ok", "text/plain"


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Iterator[MetadataServer]:
    state = MetadataServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, content_type = state.answer(self.path)
            self.send_response(status)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = state.address = f"127.0.0.1:{server.server_address[1]}"
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, address)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    # google-auth reads the address when it is first imported
    from google.auth.compute_engine import _metadata

    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", address)
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["google-auth", "directly"])
def google(request: pytest.FixtureRequest, metadata: MetadataServer) -> Callable[[], GoogleCredentials]:
    """Makes the environment's own identity, found by google-auth or asked of the metadata server directly."""
    host = metadata.address if request.param == "directly" else None
    return lambda: GoogleCredentials(kept({}), metadata_host=host)


async def test_the_environments_identity_gives_a_bearer_token_and_the_project(metadata: MetadataServer, google: Identity) -> None:
    identity = google()
    assert (await identity.headers())["authorization"] == "Bearer token-1"
    assert await identity.project() == "the-project"


async def test_one_token_serves_many_requests(metadata: MetadataServer, google: Identity) -> None:
    identity = google()
    await asyncio.gather(*(identity.headers() for _ in range(20)))
    await identity.headers()
    assert metadata.tokens == 1


async def test_a_token_near_its_end_is_renewed_while_it_still_serves(
    metadata: MetadataServer, google: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "RENEW_EVERY", 0.0)
    metadata.lifetime = 200
    identity = google()
    await identity.headers()
    metadata.delay = 0.3
    start = time.monotonic()
    assert (await identity.headers())["authorization"] == "Bearer token-1"
    assert time.monotonic() - start < 0.2
    await asyncio.sleep(0.6)
    assert metadata.tokens == 2


async def test_a_token_that_cannot_be_renewed_yet_is_not_asked_for_with_every_request(
    metadata: MetadataServer, google: Identity
) -> None:
    metadata.lifetime = 200
    identity = google()
    for _ in range(20):
        await identity.headers()
        await asyncio.sleep(0.005)
    assert metadata.tokens == 1


async def test_a_renewal_that_hangs_does_not_hold_up_a_request_whose_token_lives(
    metadata: MetadataServer, google: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "RENEW_EVERY", 0.0)
    metadata.lifetime = 200
    identity = google()
    await identity.headers()
    metadata.delay = 1.0
    start = time.monotonic()
    for _ in range(10):
        assert (await identity.headers())["authorization"] == "Bearer token-1"
    assert time.monotonic() - start < 0.5


async def test_a_first_token_may_be_fetched_before_anybody_waits_for_it(metadata: MetadataServer, google: Identity) -> None:
    identity = google()
    identity.begin()
    identity.begin()
    assert (await identity.headers())["authorization"] == "Bearer token-1"
    assert metadata.tokens == 1


@pytest.mark.parametrize("turns", range(8))
async def test_a_request_that_is_ended_at_any_turn_of_its_renewal_ends(monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    async def renew(_: GoogleCredentials) -> None:
        """Be done at once, with no token."""

    monkeypatch.setattr(GoogleCredentials, "_renew_now", renew)
    asking = asyncio.create_task(GoogleCredentials(kept({})).headers())
    for _ in range(turns):
        await asyncio.sleep(0)
    ended = asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled() is ended


async def test_why_no_token_came_is_logged_without_a_word_of_it(
    metadata: MetadataServer, google: Identity, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure("info")
    metadata.status = 403
    with pytest.raises(UpstreamAuthenticationFailed):
        await google().headers()
    await asyncio.sleep(0)
    [line] = [json.loads(text) for text in capfd.readouterr().err.splitlines() if "no token" in text]
    assert (line["severity"], line["reason"]) == ("WARNING", "RefreshError")


async def test_a_refused_token_is_not_sent_again(metadata: MetadataServer, google: Identity) -> None:
    identity = google()
    identity.refused(await identity.headers())
    assert (await identity.headers())["authorization"] == "Bearer token-2"


async def test_refusals_of_one_token_lead_to_one_renewal(metadata: MetadataServer, google: Identity) -> None:
    identity = google()
    sent = await identity.headers()
    for _ in range(3):
        identity.refused(sent)
        assert (await identity.headers())["authorization"] == "Bearer token-2"


async def test_a_renewal_that_failed_is_not_repeated_at_once(
    metadata: MetadataServer, google: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata.status = 403
    identity = google()
    for _ in range(5):
        with pytest.raises(UpstreamAuthenticationFailed):
            await identity.headers()
    asked = metadata.tokens
    metadata.status = 200
    monkeypatch.setattr(credentials, "RETRY_INTERVAL", 0.0)
    assert (await identity.headers())["authorization"].startswith("Bearer token-")
    assert asked == 1


async def test_a_metadata_server_that_hangs_is_a_clear_error_in_time(
    metadata: MetadataServer, google: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata.delay = 2.0
    monkeypatch.setattr(credentials, "PATIENCE", 0.3)
    with pytest.raises(UpstreamAuthenticationFailed):
        await google().headers()


async def test_an_api_key_travels_in_its_own_header_and_is_read_again_after_a_refusal() -> None:
    environment = {"KEY": "one"}
    identity = ApiKey(kept(environment), "env:KEY")
    assert await identity.headers() == {"x-goog-api-key": "one"}
    environment["KEY"] = "two"
    sent = await identity.headers()
    assert sent == {"x-goog-api-key": "one"}
    identity.refused(sent)
    assert await identity.headers() == {"x-goog-api-key": "two"}


async def test_a_key_that_cannot_be_read_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(Misconfigured):
        await ApiKey(kept({}), "env:KEY").headers()


@pytest.mark.parametrize("key", ["clé", "one\r\ntwo", "", " \n"])
async def test_a_key_that_no_header_can_hold_is_a_fault_of_the_configuration(key: str) -> None:
    with pytest.raises(Misconfigured):
        await ApiKey(kept({"KEY": key}), "env:KEY").headers()


async def test_a_key_of_bytes_that_are_no_text_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured):
        await ApiKey(kept({}), f"file:{path}").headers()


@pytest.mark.parametrize("document", ['{"type": "nonsense"}', "[1]", '"text"', "5", "null", "{"])
async def test_a_document_that_is_no_service_account_is_a_fault_of_the_configuration(document: str) -> None:
    identity = GoogleCredentials(kept({"DOCUMENT": document}), "env:DOCUMENT")
    with pytest.raises(Misconfigured):
        await identity.headers()


class TokenEndpoint:
    """Google's token endpoint for service accounts: takes a signed assertion, gives a token that names its key."""

    def __init__(self) -> None:
        self.asked = 0

    def serve(self) -> tuple[ThreadingHTTPServer, str]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["content-length"])).decode()
                assertion = form.partition("assertion=")[2]
                header = json.loads(base64.urlsafe_b64decode(assertion.partition(".")[0] + "=="))
                outer.asked += 1
                body = json.dumps(
                    {"access_token": f"token-of-{header['kid']}", "expires_in": 3600, "token_type": "Bearer"}
                ).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server, f"http://127.0.0.1:{server.server_address[1]}/token"


def service_account(token_uri: str, key_id: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "other-project",
            "private_key_id": key_id,
            "private_key": pem.decode(),
            "client_email": "gateway@other-project.test",
            "token_uri": token_uri,
        }
    )


async def test_a_service_account_from_a_secret_and_its_rotation() -> None:
    endpoint = TokenEndpoint()
    server, token_uri = endpoint.serve()
    environment = {"DOCUMENT": service_account(token_uri, "one")}
    identity = GoogleCredentials(kept(environment), "env:DOCUMENT")
    try:
        assert (await identity.headers())["authorization"] == "Bearer token-of-one"
        assert await identity.project() == "other-project"
        environment["DOCUMENT"] = service_account(token_uri, "two")
        sent = await identity.headers()
        assert sent["authorization"] == "Bearer token-of-one"
        identity.refused(sent)
        assert (await identity.headers())["authorization"] == "Bearer token-of-two"
        assert endpoint.asked == 2
    finally:
        server.shutdown()
        server.server_close()
