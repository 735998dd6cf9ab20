"""Clients that mean harm, over raw sockets, against functions-framework as it is deployed.

Never a 500, never a hang, never another's answer; and where our app answers, it answers in OpenAI's shape. What is no HTTP is
refused by the server before our app sees it.
"""

import asyncio
import json
import re
from typing import Any

import pytest

from tests.support.apps import CLAUDE, GEMINI, chat
from tests.support.faulty_upstream import LAST_CHUNK, chunk
from tests.support.raw_client import Place, post, request, send
from tests.trust.conftest import LIMIT

pytestmark = pytest.mark.anyio


GOOD = json.dumps(chat(GEMINI, "fault: ; case a1")).encode()


@pytest.mark.parametrize(
    ("size", "status"),
    [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413), (3 * LIMIT, 413)],
    ids=["below", "at", "above", "far above"],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_around_the_limit(place: Place, size: int, status: int, chunked: bool) -> None:
    body = GOOD + b" " * (size - len(GOOD))
    if chunked:
        data = request(place, "transfer-encoding: chunked") + b"".join(map(chunk, [body[:1000], body[1000:]])) + LAST_CHUNK
    else:
        data = request(place, f"content-length: {size}") + body
    answer = await send(place, data)
    assert answer.status == status
    if status == 413:
        assert answer.error["code"] == "request_too_large"


LYING = {
    "short of the body": [f"content-length: {len(GOOD) - 5}"],
    "negative": ["content-length: -5"],
    "with a sign": [f"content-length: +{len(GOOD)}"],
    "in other digits": ["content-length: \xd9\xa1\xd9\xa2"],
    "twice": [f"content-length: {len(GOOD)}", f"content-length: {len(GOOD)}"],
    "twice, different": [f"content-length: {len(GOOD)}", "content-length: 5"],
    "beyond 64 bits": ["content-length: 99999999999999999999999"],
    "beside chunks": [f"content-length: {len(GOOD)}", "transfer-encoding: chunked"],
    "an unknown transfer encoding": ["transfer-encoding: xchunked"],
    "chunks of no size": ["transfer-encoding: chunked"],
    "a folded header": ["x-request-id: a", " evil: b", f"content-length: {len(GOOD)}"],
    "a bare carriage return in a header": ["x-request-id: a\revil: b", f"content-length: {len(GOOD)}"],
    "a zero byte in a header": ["x-request-id: a\0b", f"content-length: {len(GOOD)}"],
    "a space before the colon": ["content-length : 5"],
}


@pytest.mark.parametrize("lie", LYING)
async def test_a_body_whose_length_is_a_lie_is_no_request(place: Place, lie: str) -> None:
    seen = len(place.upstream.paths)
    answer = await send(place, request(place, *LYING[lie]) + GOOD)
    assert answer.status == 400
    assert len(place.upstream.paths) - seen <= (lie == "short of the body")


async def test_a_request_behind_a_request_is_answered_apart(place: Place) -> None:
    data = (request(place, f"content-length: {len(GOOD)}") + GOOD).replace(b"connection: close\r\n", b"")
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
    writer.write(data + request(place, path="/health", method="GET"))
    both = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    assert both.count("HTTP/1.1 200 OK") == 2
    assert both.index("Hello-a1") < both.index('{"status":"ok"')


NO_REQUESTS = {
    "random bytes": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a path in raw bytes": b"GET /v1/models/\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    "a path of 300 kB": b"GET /v1/models/" + b"a" * 300_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", NO_REQUESTS)
async def test_what_is_no_http_is_refused(place: Place, name: str) -> None:
    assert (await send(place, NO_REQUESTS[name])).status == 400


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + closing * depth


def with_member(member: bytes) -> bytes:
    return GOOD[:-1] + b"," + member + b"}"


BODIES: dict[str, tuple[bytes, int, str | None]] = {
    "100,000 levels, open": (b"[" * 100_000, 400, "invalid_json"),
    "100,000 levels": (nested(100_000), 400, "invalid_json"),
    "100,000 levels of objects": (nested(100_000, b'{"a":', b"}").replace(b":}", b":1}", 1), 400, "invalid_json"),
    "100,000 levels in a message": (b'{"model":"m","messages":' + nested(100_000) + b"}", 400, "invalid_json"),
    "200 levels, a field among them": (with_member(b'"x":' + nested(199)), 200, None),
    "201 levels, a field among them": (with_member(b'"x":' + nested(200)), 400, "invalid_value"),
    "900 levels in a field": (with_member(b'"x":' + nested(900)), 400, "invalid_value"),
    "NaN": (with_member(b'"temperature":NaN'), 400, "invalid_json"),
    "Infinity": (with_member(b'"temperature":-Infinity'), 400, "invalid_json"),
    "1e400": (with_member(b'"temperature":1e400'), 400, "invalid_json"),
    "an integer of 5,000 digits": (with_member(b'"seed":' + b"9" * 5000), 400, "invalid_json"),
    "an integer of 400 digits": (with_member(b'"temperature":' + b"9" * 400), 400, "invalid_type"),
    "400 digits of choices": (with_member(b'"n":' + b"9" * 400), 400, "integer_above_max_value"),
    "a seed of 300 digits": (with_member(b'"seed":1e300'), 200, None),
    "a key twice": (with_member(b'"model":"claude-sonnet-4-6"'), 200, None),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, 400, "invalid_json"),
    "UTF-16": (GOOD.decode().encode("utf-16"), 400, "invalid_json"),
    "no UTF-8": (GOOD.replace(b"case a1", b"case a1\xff\xfe"), 200, None),
    "a lone surrogate": (GOOD.replace(b"case a1", b"case a1 \\ud800"), 200, None),
    "a lone surrogate in the model": (GOOD.replace(GEMINI.encode(), b"gemini-\\ud800"), 200, None),
    "a lone surrogate as a key": (with_member(b'"\\ud800":1'), 200, None),
    "a zero character": (GOOD.replace(b"case a1", b"case a1\\u0000"), 200, None),
    "nothing": (b"", 400, "invalid_json"),
    "null": (b"null", 400, "invalid_json"),
    "two documents": (GOOD + GOOD, 400, "invalid_json"),
    "10,000 messages": (json.dumps(chat() | {"messages": [{"role": "user", "content": "x"}] * 10_000}).encode(), 200, None),
    "1,000 tools": (
        json.dumps(chat(tools=[{"type": "function", "function": {"name": f"f{i}"}} for i in range(1000)])).encode(),
        400,
        "array_above_max_length",
    ),
    "100,000 stop sequences": (json.dumps(chat(stop=["a"] * 100_000)).encode(), 400, "array_above_max_length"),
    "100,000 pairs of metadata": (
        json.dumps(chat(metadata={f"k{i}": "v" for i in range(100_000)})).encode(),
        400,
        "object_above_max_properties",
    ),
}


@pytest.mark.parametrize("name", BODIES)
async def test_bodies_that_are_no_requests_or_too_much_of_one(place: Place, name: str) -> None:
    body, status, code = BODIES[name]
    answer = await post(place, body)
    assert answer.status == status
    if code is not None:
        assert answer.error["code"] == code


def doubling(levels: int) -> dict[str, Any]:
    """Eight references a level: written out, 8 to the power of levels."""
    level = {
        f"d{i}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/d{i + 1}"} for k in "abcdefgh"}} for i in range(levels)
    }
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**level, f"d{levels}": {"type": "string"}}}


SCHEMAS: dict[str, dict[str, Any]] = {
    "itself": {"$ref": "#"},
    "a circle of two": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    "all of itself": {"type": "object", "allOf": [{"$ref": "#"}]},
    "a tree": {"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {k: {"$ref": "#/$defs/t"} for k in "abc"}}}},
    "eight to the power of twelve": doubling(12),
    "all of eight to the power of twelve": {"allOf": [doubling(12)]},
}


@pytest.mark.parametrize("where", ["tools", "response_format"])
@pytest.mark.parametrize("model", [GEMINI, "gemini-2.5-flash", CLAUDE, "claude-haiku-4-5"])
@pytest.mark.parametrize("name", SCHEMAS)
async def test_schemas_that_refer_to_themselves_do_not_expand(place: Place, model: str, name: str, where: str) -> None:
    schema = SCHEMAS[name]
    if where == "tools":
        body = chat(model, tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}])
    else:
        body = chat(model, response_format={"type": "json_schema", "json_schema": {"name": "f", "schema": schema}})
    answer = await post(place, json.dumps(body).encode())
    assert answer.status in (200, 400)
    assert len(answer.body) < 5000


async def test_of_two_keys_the_last_one_counts_alone(place: Place) -> None:
    wrong = place.key[:-1] + ("0" if place.key[-1] != "0" else "1")
    assert (await post(place, GOOD, f"authorization: Bearer {wrong}")).error["code"] == "invalid_api_key"
    assert (await post(place, GOOD, f"authorization: Bearer {place.other_key}")).status == 200


HEADERS = {
    "a request id of the client's": "x-request-id: req_of-the-client",
    "a request id in odd letters": "x-request-id: \xff\xfe<script>",
    "forwarded through 5,000 hops": f"x-forwarded-for: {'1.2.3.4, ' * 5000}",
    "forwarded by nobody": "x-forwarded-for: unknown, , ::1]",
    "a trace that is none": "traceparent: 00-zz-zz-zz",
    "a time that is none": "x-stainless-timeout: nan",
    "an endless time": "x-stainless-timeout: inf",
    "a negative time": "x-stainless-timeout: -1",
    "a beta in odd letters": "anthropic-beta: \xff\xfe",
    "an origin in odd letters": "origin: \xff\xfe",
    "200 kB of one header": f"x-a: {'a' * 200_000}",
    "20,000 headers": "\r\n".join(["x-a: b"] * 20_000),
    "an expectation": "expect: 200-ok",
    "an upgrade": "upgrade: h2c",
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_odd_headers_change_nothing(place: Place, model: str, name: str) -> None:
    answer = await post(place, json.dumps(chat(model, "fault: ; case h1")).encode(), HEADERS[name])
    assert answer.status == 200
    assert b"Hello-h1" in answer.body
    assert re.fullmatch("req_[0-9a-f]{32}", answer.headers["x-request-id"])


MODEL_NAMES = [
    "../../x",
    "..",
    "gemini-3.8-flash/../../evil",
    "gemini-%2e%2e%2f",
    "gemini-3.8-flash?alt=x",
    "gemini-3.8-flash#x",
    "gemini\n",
    "gemini-3\r\nx: y",
    "gemini-3.8-flash:streamGenerateContent",
    "gemini-\x00",
    "gemini-\u2028x",
    "google/../x",
    "endpoints/../x",
    "endpoints/1/../../x",
    "projects/other/locations/global/publishers/google/models/gemini-3.8-flash",
    "models/../x",
    "tunedModels/x",
    "claude-../..",
    "claude-x:rawPredict",
    "claude-sonnet-4-6@../x",
    "claude-sonnet-4-6%2f..",
    "anthropic/../google",
    "claude-\xe9",
    "publishers/anthropic/models/../x",
    "vertex-gemini/..",
    "vertex-gemini/../../a",
    "vertex-anthropic/..",
    "vertex-anthropic/x/y",
    "//evil.example/x",
    "https://evil.example/x",
    "@evil.example",
    "gemini-3.8-flash@evil.example:80",
    " ",
    "\u202e",
]
ALLOWED = re.compile(
    r"/v1(beta1)?/projects/p/locations/global/"
    r"((publishers/google/models/[^/?#]+|endpoints/\d+):(generateContent|streamGenerateContent\?alt=sse)"
    r"|publishers/anthropic/models/[^/?#:]+:(rawPredict|streamRawPredict))"
)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", MODEL_NAMES)
async def test_a_models_name_stays_one_step_of_the_path(place: Place, name: str, stream: bool) -> None:
    seen = len(place.upstream.paths)
    answer = await post(place, json.dumps(chat(name, "fault: ; case m1", stream=stream)).encode())
    assert answer.status in (200, 400, 404, 502)
    assert answer.status == 200 or answer.error["param"] in ("model", None)
    assert [path for path in place.upstream.paths[seen:] if not ALLOWED.fullmatch(path)] == []


URLS = [
    "/v1/models/%2e%2e%2fhealth",
    "/v1/models/%00%ff",
    "/v1/models/..%2f..%2f",
    "//v1/models",
    "/v1/../health",
    "/v1/models/a//b",
    "/v1/v1/v1/models",
    "/%76%31/models",
    "/health%00",
    "/v1/models?deep=1&deep=1",
    "/health?deep=1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
    "*",
    "http://evil.example/v1/models",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_odd_paths_are_found_or_not(place: Place, url: str, method: str) -> None:
    answer = await send(place, request(place, path=url, method=method))
    assert answer.status in (200, 204, 400, 401, 404, 405)
    if answer.status >= 400 and answer.headers["content-type"].startswith("application/json"):
        assert answer.error["message"]
