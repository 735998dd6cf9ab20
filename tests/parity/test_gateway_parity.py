"""What a client meets at the local gateway and at a real Envoy that reads the same document. Every test runs at both."""

import gzip
import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from chromagent.local.gateway import IDENTITY_TOKEN
from tests.support import envoy
from tests.support.envoy import Variant
from tests.support.socket_function import Answer, SocketFunction

CHAT = "/v1/chat/completions"
UNKNOWN = {"code": 404, "message": "The current request is not defined by this API."}
EVENT_STREAM = (("content-type", "text/event-stream"),)


def never() -> threading.Event:
    return threading.Event()


def raw(address: httpx.Client, method: str, target: str, headers: tuple[tuple[str, str], ...] = ()) -> tuple[int, bytes]:
    """Send a request whose target and headers no client library has tidied."""
    connection = http.client.HTTPConnection(urlsplit(str(address.base_url)).netloc, timeout=20)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_every_operation_of_the_document_reaches_its_function(
    plain: httpx.Client, variants: dict[str, Variant], chat: SocketFunction, models: SocketFunction
) -> None:
    operations = envoy.operations(yaml.safe_load(variants["plain"].document))
    assert len(operations) >= 7
    for path, method, operation in operations:
        target = path.replace("{model=**}", "google/gemini")
        assert plain.request(method.upper(), target).status_code == 200
        [function] = [one for one in (chat, models) if one.url == operation["x-google-backend"]["address"]]
        assert ((received := function.last()).method, received.target) == (method.upper(), target)


@pytest.mark.parametrize("path", [CHAT, f"{CHAT}/"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_chat_reaches_the_chat_function_with_its_path(plain: httpx.Client, chat: SocketFunction, method: str, path: str) -> None:
    assert plain.request(method, path).json() == {"ok": True}
    assert (received := chat.last()).method == method
    assert received.target == path


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/",
        "/v1/models/gemini-3.8-flash",
        "/v1/models/gemini-3.8-flash/",
        "/v1/models/google/gemini-3.8-flash",
        "/v1/models/publishers/google/models/gemini-3.8-flash",
        "/health",
    ],
)
def test_models_and_health_reach_the_models_function_with_their_path(
    plain: httpx.Client, models: SocketFunction, path: str
) -> None:
    assert plain.get(path).json() == {"ok": True}
    assert models.last().target == path


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/google/gemini-3.8-flash"])
def test_a_preflight_reaches_the_models_function(plain: httpx.Client, models: SocketFunction, path: str) -> None:
    assert plain.options(path).status_code == 200
    assert models.last().method == "OPTIONS"


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("/v1/models/google%2Fgemini-3.8-flash", "/v1/models/google%2Fgemini-3.8-flash"),
        ("/v1/models/a%3Fb", "/v1/models/a%3Fb"),
        ("/v1/models/a%20b%25", "/v1/models/a%20b%25"),
        ("/v1/models/gemini:generate", "/v1/models/gemini:generate"),
        ("/v1/models/%C3%A9", "/v1/models/%C3%A9"),
        ("/v1//models", "/v1/models"),
        ("/v1/./models/gemini", "/v1/models/gemini"),
        ("/v1/models/../../health", "/health"),
        ("/v1/models/a%2Fb?x=%2F&y=a+b", "/v1/models/a%2Fb?x=%2F&y=a+b"),
        ("/health?deep=1", "/health?deep=1"),
        ("/v1/models/%2E%2E/models", "/v1/models"),
        ("/v1/models/gemini/..", "/v1/models/"),
        ("/v1/models/gemini/.", "/v1/models/gemini/"),
    ],
)
def test_escapes_and_queries_stay_and_detours_are_straightened(
    plain: httpx.Client, models: SocketFunction, sent: str, arrives: str
) -> None:
    assert raw(plain, "GET", sent)[0] == 200
    assert models.last().target == arrives


@pytest.mark.parametrize(
    "target", ["/", "/v1", "/v1/embeddings", "/v1/modelsx", "/chat", "/v1/chat/completions/x", "/V1/models", "/healthz", "/../x"]
)
def test_an_unknown_path_gets_googles_404(plain: httpx.Client, target: str) -> None:
    answer = plain.get(target)
    assert (answer.status_code, answer.json()) == (404, UNKNOWN)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("GET", CHAT, CHAT),
        ("DELETE", f"{CHAT}/", CHAT),
        ("POST", "/v1/models", "/v1/models"),
        ("POST", "/v1/models/", "/v1/models"),
        ("DELETE", "/v1/models/google/gemini", "/v1/models/{model=**}"),
        ("DELETE", "/health", "/health"),
        ("GET", "/v1/models/../chat/completions", CHAT),
    ],
)
def test_a_wrong_method_gets_googles_405(plain: httpx.Client, method: str, path: str, template: str) -> None:
    status, body = raw(plain, method, path)
    assert status == 405
    assert httpx.Response(200, content=body).json() == {
        "code": 405,
        "message": f'The current request is matched to the defined url template "{template}" but its http method is not allowed',
    }


def test_head_is_another_method(plain: httpx.Client) -> None:
    assert plain.head("/v1/models").status_code == 405


def test_the_clients_authorization_moves_and_the_gateways_takes_its_place(plain: httpx.Client, chat: SocketFunction) -> None:
    plain.post(CHAT, headers={"authorization": "Bearer sk-cg-x", "x-forwarded-authorization": "Bearer forged"})
    received = chat.last()
    assert received.all("x-forwarded-authorization") == ["Bearer sk-cg-x"]
    assert received.all("authorization") == [f"Bearer {IDENTITY_TOKEN}"]


def test_a_forged_header_stays_where_no_authorization_was_sent(plain: httpx.Client, chat: SocketFunction) -> None:
    plain.post(CHAT, headers={"x-forwarded-authorization": "Bearer forged"})
    assert chat.last().all("x-forwarded-authorization") == ["Bearer forged"]


@pytest.mark.parametrize("sent", [[], ["203.0.113.7"], ["203.0.113.7", "10.0.0.1"]])
def test_the_clients_address_is_put_at_the_end_of_the_chain(plain: httpx.Client, chat: SocketFunction, sent: list[str]) -> None:
    plain.post(CHAT, headers=[("x-forwarded-for", address) for address in sent])
    *before, last = chat.last().all("x-forwarded-for")[0].replace(" ", "").split(",")
    assert before == sent
    assert ip_address(last)  # Envoy names the machine's own address for a client on the loopback


def test_headers_of_one_connection_do_not_travel_further(plain: httpx.Client, models: SocketFunction) -> None:
    hops = (("connection", "keep-alive, x-private"), ("keep-alive", "timeout=5"), ("x-private", "1"), ("proxy-connection", "close"))
    assert raw(plain, "GET", "/health", hops)[0] == 200
    names = {name for name, _ in models.last().headers}
    assert names & {"keep-alive", "x-private", "proxy-connection", "connection"} == set()


def test_other_headers_pass_as_they_are(plain: httpx.Client, models: SocketFunction) -> None:
    sent = (("x-api-key", "k"), ("X-Request-Id", "req-1"), ("traceparent", "00-ab-cd-01"), ("accept", "a/b"), ("accept", "c/d"))
    raw(plain, "GET", "/health", sent)
    received = models.last()
    assert (received.all("x-api-key"), received.all("x-request-id")) == (["k"], ["req-1"])
    assert received.all("traceparent") == ["00-ab-cd-01"]
    assert ",".join(received.all("accept")) == "a/b,c/d"


def test_nothing_is_said_in_the_clients_name(plain: httpx.Client, models: SocketFunction) -> None:
    raw(plain, "GET", "/health")
    names = {name for name, _ in models.last().headers}
    assert names & {"user-agent", "accept", "accept-encoding", "cookie", "content-type", "x-forwarded-authorization"} == set()


def test_a_cookie_of_one_client_is_not_told_for_another(plain: httpx.Client, models: SocketFunction) -> None:
    models.answer = Answer(headers=(("set-cookie", "a=b"),))
    raw(plain, "GET", "/health")
    models.forget()
    raw(plain, "GET", "/health")
    assert models.last().all("cookie") == []


def test_the_function_is_called_by_its_own_name(plain: httpx.Client, models: SocketFunction) -> None:
    plain.get("/health")
    assert models.last().all("host") == [urlsplit(models.url).netloc]


def test_status_headers_and_body_of_the_function_pass_as_they_are(plain: httpx.Client, chat: SocketFunction) -> None:
    chat.answer = Answer(418, (("content-type", "application/json"), ("x-request-id", "req-1")), b'{"error":{"code":"x"}}')
    answer = plain.post(CHAT)
    assert (answer.status_code, answer.headers["x-request-id"], answer.json()) == (418, "req-1", {"error": {"code": "x"}})


def test_a_preflight_is_the_functions_to_answer(keyed: httpx.Client, chat: SocketFunction) -> None:
    chat.answer = Answer(204, (("access-control-allow-origin", "https://page.test"),), b"")
    answer = keyed.options(CHAT, headers={"origin": "https://page.test", "access-control-request-method": "POST"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "https://page.test")
    assert chat.last().all("origin") == ["https://page.test"]


def test_a_large_body_arrives_whole(plain: httpx.Client, chat: SocketFunction) -> None:
    body = bytes(range(256)) * 4096 * 8
    assert plain.post(CHAT, content=body).status_code == 200
    assert chat.last().body == body


def test_a_body_of_unknown_length_arrives_whole(plain: httpx.Client, chat: SocketFunction) -> None:
    plain.post(CHAT, content=iter([b'{"a":', b"1}"]))
    assert chat.last().body == b'{"a":1}'


def test_a_body_beyond_googles_limit_reaches_nobody(plain: httpx.Client, chat: SocketFunction) -> None:
    answer = plain.post(CHAT, content=bytes(32 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, 413)
    assert chat.received.empty()


def test_a_compressed_body_is_the_functions_to_refuse(plain: httpx.Client, chat: SocketFunction) -> None:
    plain.post(CHAT, content=gzip.compress(b"{}"), headers={"content-encoding": "gzip"})
    received = chat.last()
    assert received.all("content-encoding") == ["gzip"]
    assert gzip.decompress(received.body) == b"{}"


def test_a_compressed_answer_passes_as_it_is(plain: httpx.Client, chat: SocketFunction) -> None:
    packed = gzip.compress(b"{}")
    chat.answer = Answer(200, (("content-encoding", "gzip"),), packed)
    with plain.stream("POST", CHAT) as answer:
        assert b"".join(answer.iter_raw()) == packed


def test_without_a_key_the_caller_is_unregistered(keyed: httpx.Client, chat: SocketFunction) -> None:
    answer = keyed.post(CHAT)
    assert (answer.status_code, answer.json()) == (
        401,
        {
            "code": 401,
            "message": "UNAUTHENTICATED:Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
        },
    )
    assert chat.received.empty()


@pytest.mark.parametrize("where", [{"headers": {"x-api-key": "no"}}, {"params": {"key": "no"}}])
def test_a_wrong_key_is_an_invalid_argument(keyed: httpx.Client, where: dict[str, dict[str, str]]) -> None:
    answer = keyed.request("POST", CHAT, **where)  # pyright: ignore
    assert (answer.status_code, answer.json()) == (
        400,
        {"code": 400, "message": "INVALID_ARGUMENT:API key not valid. Please pass a valid API key."},
    )


def test_health_needs_no_key(keyed: httpx.Client) -> None:
    assert keyed.get("/health").status_code == 200


def test_the_quota_of_a_route_counts_for_each_key_by_itself(keyed: httpx.Client, chat: SocketFunction) -> None:
    keys = ("key-1", "key-1", "key-1", "key-2")
    answers = [keyed.post(CHAT, headers={"x-api-key": key}) for key in keys]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    assert set(answers[2].json()) == {"code", "message"}
    assert answers[2].json()["code"] == 429
    assert answers[2].headers["content-type"] == "application/json"
    assert "retry-after" not in answers[2].headers
    assert chat.received.qsize() == 3


def test_operations_with_one_metric_share_their_quota_and_leave_the_others_alone(keyed: httpx.Client) -> None:
    key = {"x-api-key": "key-3"}
    paths = ("/v1/models", "/v1/models/gemini", "/v1/models/google/gemini", "/v1/models")
    assert [keyed.get(path, headers=key).status_code for path in paths] == [200, 200, 429, 429]
    assert keyed.post(CHAT, params={"key": "key-3"}).status_code == 200
    assert keyed.options("/v1/models", headers=key).status_code == 200


def test_a_dear_request_counts_as_several(dear: httpx.Client) -> None:
    assert [dear.post(CHAT, headers={"x-api-key": "key-1"}).status_code for _ in range(2)] == [200, 429]


def test_where_no_key_is_needed_nobody_is_counted(plain: httpx.Client) -> None:
    assert [plain.post(CHAT, headers={"x-api-key": "key-4"}).status_code for _ in range(4)] == [200, 200, 200, 200]


def test_a_stream_passes_while_it_is_being_made(plain: httpx.Client, chat: SocketFunction) -> None:
    seen = threading.Event()
    chat.answer = Answer(headers=EVENT_STREAM, pieces=[b"data: 1\n\n", seen, b"data: 2\n\n"])
    with plain.stream("POST", CHAT) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"data: 1\n\n"
        seen.set()
        assert b"".join(pieces) == b"data: 2\n\n"
    assert answer.headers["content-type"] == "text/event-stream"


def test_a_buffering_gateway_says_nothing_before_the_end(buffering: httpx.Client, chat: SocketFunction) -> None:
    end = threading.Event()
    chat.answer = Answer(headers=EVENT_STREAM, pieces=[b"data: 1\n\n", end, b"data: 2\n\n"])
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(buffering.send, buffering.build_request("POST", CHAT), stream=True)
        chat.last()
        end.wait(0.3)
        assert not sent.done()
        end.set()
        assert sent.result(10).read() == b"data: 1\n\ndata: 2\n\n"


def test_the_deadline_before_the_first_byte_is_a_504(hurried: httpx.Client, chat: SocketFunction) -> None:
    chat.answer = Answer(pieces=[never()])
    answer = hurried.post(CHAT)
    assert (answer.status_code, answer.json()) == (504, {"code": 504, "message": "upstream request timeout"})
    assert chat.client_left.wait(5)


def test_a_buffering_gateway_has_nothing_to_cut_and_says_504(hurried_and_buffering: httpx.Client, chat: SocketFunction) -> None:
    chat.answer = Answer(headers=EVENT_STREAM, pieces=[b"data: 1\n\n", never()])
    answer = hurried_and_buffering.post(CHAT)
    assert (answer.status_code, answer.json()) == (504, {"code": 504, "message": "upstream request timeout"})


def test_the_deadline_cuts_a_stream_in_the_middle(hurried: httpx.Client, chat: SocketFunction) -> None:
    chat.answer = Answer(headers=EVENT_STREAM, pieces=[b"data: 1\n\n", never()])
    arrived: list[bytes] = []
    with pytest.raises(httpx.RemoteProtocolError), hurried.stream("POST", CHAT) as answer:
        arrived.extend(answer.iter_raw())
    assert (answer.status_code, arrived) == (200, [b"data: 1\n\n"])
    assert chat.client_left.wait(5)


def test_the_deadline_counts_also_while_data_flows(hurried: httpx.Client, chat: SocketFunction) -> None:
    chat.answer = Answer(headers=EVENT_STREAM, pieces=[b"data: 1\n\n"] * 5 + [never()])
    with pytest.raises(httpx.RemoteProtocolError), hurried.stream("POST", CHAT) as answer:
        answer.read()


def test_a_client_that_leaves_stops_the_call_behind_the_gateway(plain: httpx.Client, chat: SocketFunction) -> None:
    chat.answer = Answer(headers=EVENT_STREAM, pieces=[b"data: 1\n\n", never()])
    with plain.stream("POST", CHAT) as answer:
        next(answer.iter_raw())
    assert chat.client_left.wait(5)


def test_a_client_that_leaves_before_the_first_byte_stops_it_too(plain: httpx.Client, chat: SocketFunction) -> None:
    chat.answer = Answer(pieces=[never()])
    with pytest.raises(httpx.ReadTimeout):
        plain.post(CHAT, timeout=0.2)
    assert chat.client_left.wait(5)


def test_a_function_that_cannot_be_reached_is_a_503(broken: httpx.Client) -> None:
    answer = broken.post(CHAT)
    assert (answer.status_code, answer.json()["code"]) == (503, 503)
    assert answer.json()["message"].startswith("upstream connect error or disconnect/reset before headers")
