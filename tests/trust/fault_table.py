"""What an upstream may do wrong, and what the client gets: written down from the design, not from what the gateway does.

An outcome is the status, the error's code, the requests that the upstream saw, and the wait the client is told. `200, then CODE` is
an error event in a stream that had begun. `docs/faults.md` is written from this table, and `test_faults.py` holds the gateway
to it.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tests.support.faulty_upstream import (
    LAST_CHUNK,
    Ending,
    Moment,
    Script,
    Step,
    chunk,
    chunked_head,
    document,
    events,
    good,
    head,
    kind,
    pieces,
    sized,
)

CASES: Final = ("gemini", "gemini stream", "claude", "claude stream")
Outcomes: TypeAlias = Mapping[str, str]
BEAT: Final = 0.02
"""Seconds that separate what was sent from what follows."""
LARGEST_EVENT: Final = 1_000_000
"""Bytes; the tests lower the gateway's limit to this, for the time it takes to send more."""

WELL = "200; 1 try"
REFUSED = "refuses connections"
"""The one fault that has no script: nobody listens."""
REFUSED_OUTCOME = "502 upstream_unreachable; 0 tries"
UNREACHABLE = "502 upstream_unreachable; 3 tries"
ON_KEPT = "502 upstream_unreachable; 4 tries"
"""The first try meets a connection that was kept: one that ends before any byte was closing already, and costs no try."""
INVALID = "502 upstream_invalid_response; 1 try"
TIMED_OUT = "504 upstream_timeout; 1 try"


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    script: Script
    outcomes: Outcomes


def always(outcome: str) -> Outcomes:
    return dict.fromkeys(CASES, outcome)


def modes(whole: str, stream: str) -> Outcomes:
    return {"gemini": whole, "gemini stream": stream, "claude": whole, "claude stream": stream}


def wires(gemini: str, claude: str) -> Outcomes:
    return {"gemini": gemini, "gemini stream": gemini, "claude": claude, "claude stream": claude}


def broken_off(code: str, whole: str) -> Outcomes:
    return modes(whole, f"200, then {code}; 1 try")


def after_first(*ending: Step) -> Script:
    """The first event, or the first part of a document of known length; then what is given."""
    return lambda m: [chunked_head(m), chunk(pieces(m)[0]), BEAT, *ending]


def inside_second(*ending: Step) -> Script:
    return lambda m: [chunked_head(m), chunk(pieces(m)[0]), BEAT, chunk(pieces(m)[1][:20]), BEAT, *ending]


def raw(*steps: Step) -> Script:
    return lambda _: steps


def joined(steps: Sequence[Step]) -> bytes:
    return b"".join(step for step in steps if isinstance(step, bytes))


def bytewise(m: Moment) -> Sequence[Step]:
    whole = joined(good(m))
    return [whole[index : index + 1] for index in range(len(whole))]


def dripping(m: Moment) -> Sequence[Step]:
    """Never silent for long, never done."""
    start: list[Step] = [chunked_head(m), *([chunk(events(m)[0])] if m.streamed else [])]
    return start + [step for _ in range(600) for step in (chunk(b": \n" if m.streamed else b" "), 0.05)]


def body_in_place_of_answer(body: bytes, content_type: str | None = None) -> Script:
    return lambda m: [sized(body, 200, content_type or kind(m))]


def coded(encoding: str, change: Callable[[bytes], bytes]) -> Script:
    """A good answer whose body was changed as a content encoding does."""

    def script(m: Moment) -> Sequence[Step]:
        body = b"".join(events(m)) if m.streamed else document(m)
        return [sized(change(body), 200, kind(m), f"content-encoding: {encoding}")]

    return script


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def plain(body: bytes) -> bytes:
    return body


def cut_gzip(m: Moment) -> Sequence[Step]:
    """The first part of the answer can be decoded; then the body ends well, and its compression does not."""
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(pieces(m)[0]) + packer.flush(zlib.Z_SYNC_FLUSH)
    return [sized(first, 200, kind(m), "content-encoding: gzip")]


VENDOR_KINDS: Final = {
    400: ("INVALID_ARGUMENT", "invalid_request_error"),
    401: ("UNAUTHENTICATED", "authentication_error"),
    403: ("PERMISSION_DENIED", "permission_error"),
    404: ("NOT_FOUND", "not_found_error"),
    409: ("ABORTED", "conflict_error"),
    413: ("INVALID_ARGUMENT", "request_too_large"),
    429: ("RESOURCE_EXHAUSTED", "rate_limit_error"),
    500: ("INTERNAL", "api_error"),
    503: ("UNAVAILABLE", "api_error"),
    504: ("DEADLINE_EXCEEDED", "timeout_error"),
    529: ("UNAVAILABLE", "overloaded_error"),
}


def vendor_error(m: Moment, status: int, details: Sequence[object] = ()) -> bytes:
    google, anthropic = VENDOR_KINDS.get(status, ("UNKNOWN", "api_error"))
    if m.wire == "gemini":
        return json.dumps({"error": {"code": status, "message": "No.", "status": google, "details": list(details)}}).encode()
    return json.dumps({"type": "error", "error": {"type": anthropic, "message": "No."}}).encode()


def status(code: int, *headers: str) -> Script:
    """A status in the vendor's own words."""
    return lambda m: [sized(vendor_error(m, code), code, "application/json", *headers)]


def page(code: int) -> Script:
    """A status with the page of a proxy."""
    return raw(sized(b"<html><h1>Sorry</h1></html>", code, "text/html"))


def with_details(code: int, kind_of_detail: str, **members: object) -> Script:
    """Google's error with a detail, whichever vendor's model it is about."""
    detail = {"@type": f"type.googleapis.com/google.rpc.{kind_of_detail}", **members}
    error = {"error": {"code": code, "message": "No.", "status": "RESOURCE_EXHAUSTED", "details": [detail]}}
    return raw(sized(json.dumps([error]).encode(), code))


def error_with_200(code: int) -> Script:
    """The vendor's error object where an answer should be."""

    def script(m: Moment) -> Sequence[Step]:
        if not m.streamed:
            return [sized(vendor_error(m, code))]
        return [chunked_head(m), chunk(b"event: error\ndata: " + vendor_error(m, code) + b"\n\n"), LAST_CHUNK]

    return script


def error_in_the_middle(code: int) -> Script:
    return lambda m: [
        chunked_head(m),
        chunk(events(m)[0]),
        BEAT,
        chunk(b"event: error\ndata: " + vendor_error(m, code) + b"\n\n"),
        LAST_CHUNK,
    ]


def redirect(code: int) -> Script:
    return raw(sized(b"", code, "text/plain", "location: /elsewhere"))


def stale(m: Moment) -> Sequence[Step]:
    """The server gave up an idle connection in the moment in which the request was written to it."""
    return [Ending.RESET] if m.used_before and m.attempt == 1 else good(m)


def padded(size: int) -> Script:
    """A good answer with white space inside its JSON: that of the second event, or of the document."""

    def script(m: Moment) -> Sequence[Step]:
        first, second, *others = pieces(m) if m.streamed else (b"", document(m))
        return [
            chunked_head(m),
            *map(chunk, filter(None, (first, second.replace(b"{", b"{" + b" " * size, 1), *others))),
            LAST_CHUNK,
        ]

    return script


def after_the_end(*steps: Step) -> Script:
    """All of a good answer; the end of the body is what is given."""
    return lambda m: [chunked_head(m), *map(chunk, pieces(m)), BEAT, *steps]


CONNECTIONS: Final[dict[str, Fault]] = {
    "closes before the status line": Fault(raw(BEAT, Ending.CLOSE), always(ON_KEPT)),
    "resets before the status line": Fault(raw(BEAT, Ending.RESET), always(ON_KEPT)),
    "resets inside the headers": Fault(raw(b"HTTP/1.1 200 OK\r\ncontent-ty", BEAT, Ending.RESET), always(UNREACHABLE)),
    "resets after the headers": Fault(lambda m: [chunked_head(m), BEAT, Ending.RESET], always(UNREACHABLE)),
    "resets after the first part": Fault(after_first(Ending.RESET), broken_off("upstream_unreachable", UNREACHABLE)),
    "resets inside the second part": Fault(inside_second(Ending.RESET), broken_off("upstream_unreachable", UNREACHABLE)),
    "closes without the last chunk": Fault(after_first(Ending.CLOSE), broken_off("upstream_unreachable", UNREACHABLE)),
    "resets after all of the answer, before the last chunk": Fault(after_the_end(Ending.RESET), modes(UNREACHABLE, WELL)),
    "gave up an idle connection as the request was written": Fault(stale, always("200; 2 tries")),
    "closes a connection after each answer, unannounced": Fault(lambda m: [*good(m), Ending.CLOSE], always(WELL)),
    "hangs before the status line": Fault(raw(Ending.HANG), always(TIMED_OUT)),
    "hangs inside the headers": Fault(raw(b"HTTP/1.1 200 OK\r\ncontent-ty", Ending.HANG), always(TIMED_OUT)),
    "hangs after the headers": Fault(lambda m: [chunked_head(m), Ending.HANG], always(TIMED_OUT)),
    "hangs after the first part": Fault(after_first(Ending.HANG), broken_off("upstream_timeout", TIMED_OUT)),
    "falls silent late": Fault(
        lambda m: [chunked_head(m), chunk(pieces(m)[0]), 0.18, chunk(pieces(m)[1][:20]), Ending.HANG],
        broken_off("upstream_timeout", TIMED_OUT),
    ),
    "drips without an end": Fault(dripping, broken_off("upstream_timeout", TIMED_OUT)),
    "sends each byte alone": Fault(bytewise, always(WELL)),
}
HTTP: Final[dict[str, Fault]] = {
    "answers with no HTTP at all": Fault(raw(b"\x00\xffSSH-2.0-x\r\n" * 20, Ending.CLOSE), always(INVALID)),
    "sends headers without an end": Fault(
        raw(b"HTTP/1.1 200 OK\r\n", *[b"x-filler: " + b"x" * 4000 + b"\r\n"] * 500, Ending.CLOSE), always(INVALID)
    ),
    "says 103 first": Fault(lambda m: [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", BEAT, *good(m)], always(WELL)),
    "speaks HTTP/1.0, the end of the connection ends the body": Fault(
        lambda m: [
            f"HTTP/1.0 200 OK\r\ncontent-type: {kind(m)}\r\n\r\n".encode(),
            *pieces(m),
            Ending.CLOSE,
        ],
        always(WELL),
    ),
    "ends the connection in the middle, without a length": Fault(
        lambda m: [f"HTTP/1.0 200 OK\r\ncontent-type: {kind(m)}\r\n\r\n".encode(), pieces(m)[0], BEAT, Ending.CLOSE],
        broken_off("upstream_invalid_response", INVALID),
    ),
    "writes a chunk's size in no hexadecimal": Fault(
        lambda m: [chunked_head(m), chunk(pieces(m)[0]), BEAT, b"zz\r\nabc\r\n", Ending.CLOSE],
        broken_off("upstream_invalid_response", INVALID),
    ),
    "writes a negative size of a chunk": Fault(
        lambda m: [chunked_head(m), b"-5\r\nabc\r\n", Ending.CLOSE],
        always(INVALID),
    ),
    "writes more than a chunk's size": Fault(
        lambda m: [chunked_head(m), chunk(pieces(m)[0]), BEAT, b"3\r\nabcdef\r\n", LAST_CHUNK, Ending.CLOSE],
        broken_off("upstream_invalid_response", INVALID),
    ),
    "names a length beyond the body": Fault(
        lambda m: [head(200, kind(m), "content-length: 100000"), pieces(m)[0], BEAT, Ending.CLOSE],
        broken_off("upstream_unreachable", UNREACHABLE),
    ),
    "names a length short of the body": Fault(
        lambda m: [head(200, kind(m), f"content-length: {len(pieces(m)[0])}"), b"".join(pieces(m)), Ending.CLOSE],
        broken_off("upstream_invalid_response", INVALID),
    ),
    "answers the next request too, unasked": Fault(lambda m: [joined(good(m)) + sized(b'{"stray": 1}')], always(WELL)),
    "answers the next request too, a moment later": Fault(lambda m: [*good(m), BEAT, sized(b'{"stray": 1}')], always(WELL)),
}
BODIES: Final[dict[str, Fault]] = {
    "compresses, as whole answers ask and streams do not": Fault(coded("gzip", gzipped), always(WELL)),
    "says gzip and sends none": Fault(coded("gzip", plain), always(INVALID)),
    "cuts gzip in the middle": Fault(cut_gzip, broken_off("upstream_invalid_response", INVALID)),
    "answers with a page": Fault(body_in_place_of_answer(b"<html><h1>Sign in</h1></html>", "text/html"), always(INVALID)),
    "answers with a page that calls itself an answer": Fault(body_in_place_of_answer(b"<html>Sign in</html>"), always(INVALID)),
    "answers 200 without a body": Fault(
        body_in_place_of_answer(b""),
        {**always(INVALID), "gemini stream": "502 upstream_invalid_response; 2 tries"},
    ),
    "answers 204": Fault(
        raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
        {**always(INVALID), "gemini stream": "502 upstream_invalid_response; 2 tries"},
    ),
    "answers with JSON that is no object": Fault(body_in_place_of_answer(b'"hello"'), always(INVALID)),
    "answers with an empty object": Fault(
        lambda m: [sized(b"data: {}\n\n" if m.streamed else b"{}", 200, kind(m))],
        wires("502 upstream_invalid_response; 2 tries", INVALID),
    ),
    "answers with bytes that are no UTF-8": Fault(body_in_place_of_answer(bytes(range(128, 256)) * 8), always(INVALID)),
    "ends a stream before its end": Fault(
        after_first(LAST_CHUNK),
        broken_off("upstream_invalid_response", INVALID),
    ),
    "sends an event that is no JSON": Fault(
        lambda m: [chunked_head(m), chunk(pieces(m)[0]), BEAT, chunk(b"data: <html>\n\n"), LAST_CHUNK],
        broken_off("upstream_invalid_response", INVALID),
    ),
    "sends an event larger than the limit": Fault(
        padded(2 * LARGEST_EVENT), modes(WELL, "200, then upstream_invalid_response; 1 try")
    ),
    "sends a large event": Fault(padded(LARGEST_EVENT // 2), always(WELL)),
    "says nothing after the last event": Fault(
        after_the_end(Ending.HANG),
        {**modes(TIMED_OUT, "200, then upstream_timeout; 1 try"), "claude stream": WELL},
    ),
}
STATUSES: Final[dict[str, Fault]] = {
    "400": Fault(status(400), wires("400 invalid_value; 1 try", "400 null; 1 try")),
    "400 with a page": Fault(page(400), wires("400 invalid_value; 1 try", "400 null; 1 try")),
    "401": Fault(status(401), always("502 upstream_authentication_error; 2 tries")),
    "401 with a page": Fault(page(401), always("502 upstream_authentication_error; 2 tries")),
    "403": Fault(status(403), always("403 upstream_permission_denied; 1 try")),
    "404": Fault(status(404), always("404 model_not_found; 1 try")),
    "404 with a page": Fault(page(404), always("404 model_not_found; 1 try")),
    "408": Fault(status(408), always("504 upstream_timeout; 3 tries")),
    "409": Fault(status(409), always("409 upstream_conflict; 3 tries")),
    "413": Fault(status(413), always("413 request_too_large; 1 try")),
    "429": Fault(status(429), always("429 rate_limit_exceeded; 3 tries")),
    "429 with retry-after-ms: 20": Fault(
        status(429, "retry-after-ms: 20"), always("429 rate_limit_exceeded; 3 tries; retry after 0.02 s")
    ),
    "429 with retry-after: 30": Fault(status(429, "retry-after: 30"), always("429 rate_limit_exceeded; 1 try; retry after 30 s")),
    "429 with a date": Fault(
        status(429, "date: Tue, 06 Oct 2026 10:00:00 GMT", "retry-after: Tue, 06 Oct 2026 10:00:40 GMT"),
        always("429 rate_limit_exceeded; 1 try; retry after 40 s"),
    ),
    "429 with RetryInfo": Fault(
        with_details(429, "RetryInfo", retryDelay="34.5s"), always("429 rate_limit_exceeded; 1 try; retry after 34.5 s")
    ),
    "429 of a daily quota": Fault(
        with_details(429, "QuotaFailure", violations=[{"quotaId": "RequestsPerDay"}]), always("429 insufficient_quota; 1 try")
    ),
    "499": Fault(status(499), wires("503 upstream_cancelled; 3 tries", "502 upstream_error; 1 try")),
    "500": Fault(status(500), always("500 upstream_error; 3 tries")),
    "500 with a page": Fault(page(500), always("500 upstream_error; 3 tries")),
    "500 with x-should-retry: false": Fault(
        status(500, "x-should-retry: false"), wires("500 upstream_error; 3 tries", "500 upstream_error; 1 try")
    ),
    "501": Fault(status(501), wires("400 unsupported_operation; 1 try", "502 upstream_error; 3 tries")),
    "502": Fault(status(502), always("502 upstream_error; 3 tries")),
    "502 with a page": Fault(page(502), always("502 upstream_error; 3 tries")),
    "503": Fault(status(503), always("503 upstream_unavailable; 3 tries")),
    "503 with retry-after: 30": Fault(status(503, "retry-after: 30"), always("503 upstream_unavailable; 1 try; retry after 30 s")),
    "503 with a page": Fault(page(503), always("503 upstream_unavailable; 3 tries")),
    "504": Fault(status(504), always("504 upstream_timeout; 3 tries")),
    "504 with a page": Fault(page(504), always("504 upstream_timeout; 3 tries")),
    "529": Fault(status(529), always("503 upstream_overloaded; 3 tries")),
    "529 with retry-after: 30": Fault(status(529, "retry-after: 30"), always("503 upstream_overloaded; 1 try; retry after 30 s")),
    "a status that is cut in the body": Fault(
        lambda m: [head(503, "application/json", "content-length: 1000"), b'{"error"', BEAT, Ending.RESET], always(UNREACHABLE)
    ),
    "503 once, then well": Fault(lambda m: status(503)(m) if m.attempt == 1 else good(m), always("200; 2 tries")),
}
ERRORS: Final[dict[str, Fault]] = {
    "error 400 with status 200": Fault(error_with_200(400), wires("400 invalid_value; 1 try", "400 null; 1 try")),
    "error 401 with status 200": Fault(error_with_200(401), always("502 upstream_authentication_error; 2 tries")),
    "error 404 with status 200": Fault(error_with_200(404), always("404 model_not_found; 1 try")),
    "error 429 with status 200": Fault(error_with_200(429), always("429 rate_limit_exceeded; 3 tries")),
    "error 500 with status 200": Fault(error_with_200(500), always("500 upstream_error; 3 tries")),
    "error 529 with status 200": Fault(error_with_200(529), always("503 upstream_overloaded; 3 tries")),
    "a bare error in place of a stream": Fault(
        lambda m: [sized(b"[" + vendor_error(m, 429) + b"]", 200, "application/json")], always("429 rate_limit_exceeded; 3 tries")
    ),
    "error 429 in the middle": Fault(error_in_the_middle(429), broken_off("rate_limit_exceeded", INVALID)),
    "error 500 in the middle": Fault(error_in_the_middle(500), broken_off("upstream_error", INVALID)),
    "error 529 in the middle": Fault(error_in_the_middle(529), broken_off("upstream_overloaded", INVALID)),
}
REDIRECTS: Final[dict[str, Fault]] = {
    "301": Fault(redirect(301), always(INVALID)),
    "302": Fault(redirect(302), always(INVALID)),
    "303": Fault(redirect(303), always(INVALID)),
    "307": Fault(redirect(307), always(INVALID)),
    "308": Fault(redirect(308), always(INVALID)),
    "304": Fault(raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"), always(INVALID)),
}

GROUPS: Final = {
    "Connections": CONNECTIONS,
    "HTTP": HTTP,
    "Bodies": BODIES,
    "Statuses": STATUSES,
    "Errors in place of answers": ERRORS,
    "Redirects": REDIRECTS,
}
FAULTS: Final[dict[str, Fault]] = CONNECTIONS | HTTP | BODIES | STATUSES | ERRORS | REDIRECTS
TRANSPORT: Final = CONNECTIONS.keys() | HTTP.keys()

SERVER: Final = ("server_error", None)
CODES: Final[Mapping[str, tuple[str, str | None]]] = {
    "upstream_unreachable": SERVER,
    "upstream_invalid_response": SERVER,
    "upstream_timeout": SERVER,
    "upstream_authentication_error": SERVER,
    "upstream_conflict": SERVER,
    "upstream_error": SERVER,
    "upstream_unavailable": SERVER,
    "upstream_overloaded": SERVER,
    "upstream_cancelled": SERVER,
    "upstream_permission_denied": ("permission_error", None),
    "rate_limit_exceeded": ("rate_limit_error", None),
    "insufficient_quota": ("insufficient_quota", None),
    "model_not_found": ("invalid_request_error", "model"),
    "request_too_large": ("invalid_request_error", None),
    "unsupported_operation": ("invalid_request_error", None),
    "invalid_value": ("invalid_request_error", None),
    "null": ("invalid_request_error", None),
}
"""The type and the param that come with each code."""
