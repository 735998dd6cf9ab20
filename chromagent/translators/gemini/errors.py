"""Google's errors → ours, and the changes that make Google take what it refused.

Source: wire-gemini §5.2–5.6; statuses and codes of decisions §10 win. Google's wording changes, so patterns are loose.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import (
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    RequestTooLarge,
    UpstreamAuthenticationFailed,
    UpstreamConflict,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from chromagent.translators import complaints, lenient, upstream_errors
from chromagent.translators.protocol import ONCE
from chromagent.translators.redaction import MAX_MESSAGE, Redactor, shorten
from chromagent.translators.upstream_errors import GoogleError

SIGNATURES: Final = f"{ONCE}signatures"
IDS: Final = "ids"
THINKING: Final = "thinking"
VALIDATED: Final = "validated"
OPENAPI: Final = "openapi"
TURNS: Final = "turns"
SERVER_TOOLS: Final = "server-tools"
LEVEL: Final = "level:"


class Origins(msgspec.Struct, frozen=True):
    """Where the parts of the upstream body came from, so that its complaints can name the client's fields."""

    declarations: Sequence[str] = ()
    """The client's place of each function declaration."""
    contents: Sequence[int] = ()
    """Index of the first message of each content."""
    limit_field: str = "max_completion_tokens"


_FIELDS: Final = (
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("seed", "seed"),
    ("stop_sequences", "stop"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("candidate_count", "n"),
    ("response_schema", "response_format"),
    ("response_json_schema", "response_format"),
    ("response_mime_type", "response_format"),
    ("response_logprobs", "logprobs"),
    ("logprobs", "top_logprobs"),
    ("thinking_config", "reasoning_effort"),
    ("response_modalities", "modalities"),
    ("speech_config", "audio"),
)
_PATHS: Final = (
    ("tool_config", "tool_choice"),
    ("system_instruction", "messages"),
    ("cached_content", "cached_content"),
    ("labels", "metadata"),
    ("safety_settings", "safety_settings"),
)
_MESSAGES: Final = (
    (r"input token count|exceeds the maximum number of tokens|token limit", "context_length_exceeded", "messages"),
    (r"logprobs is not", "unsupported_parameter", "logprobs"),
    (r"penalty is not enabled", "unsupported_parameter", "presence_penalty"),
    (r"multiple candidates", "unsupported_value", "n"),
    (r"max_?output_?tokens", "invalid_value", "max_completion_tokens"),
    (r"cannot fetch content from the provided url|unable to process input image", "invalid_image_url", "messages"),
    (r"unsupported mime type", "invalid_value", "messages"),
    (r"thinking.?(level|budget)", "invalid_value", "reasoning_effort"),
    (r"user location is not supported", "unsupported_country_region_territory", None),
)
_PATH: Final = re.compile(
    r"(?:generation_?config|contents|tools|tool_?config|system_?instruction|cached_?content|labels|safety_?settings)\b[\w.\[\]]*",
    re.IGNORECASE,
)
_DECLARATION: Final = re.compile(r"function_declarations\[(\d+)\]")
_CONTENT: Final = re.compile(r"contents\[(\d+)\]")


class ErrorReader:
    """Reads the errors of answers to one request."""

    def __init__(self, origins: Origins, redact: Redactor) -> None:
        self._origins = origins
        self._redact = redact

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Read an answer with a status of 400 or more."""
        document = upstream_errors.unwrap(body)
        google = upstream_errors.google_error(document)
        message = google.message if google is not None else upstream_errors.text_of(body)
        return self._convert(status, google, message, upstream_errors.retry_after(headers, google))

    def read_document(self, document: JsonObject, *, status: int) -> GatewayError:
        """Read an error that came inside a stream; its own code tells the status."""
        google = upstream_errors.google_error(document)
        if google is None:
            return self._convert(status, None, "The model provider reported an error.", None)
        return self._convert(google.code, google, google.message, google.retry_delay)

    def _convert(self, status: int, google: GoogleError | None, raw: str, wait: float | None) -> GatewayError:
        raw = shorten(raw, MAX_MESSAGE)
        message = self._redact(raw) or "The model provider gave no reason."
        if status == 400 and google is not None and google.reason == "API_KEY_INVALID":
            status = 401
        elif status == 400:
            error = self._bad_request(google, message)
            error.upstream_message = raw
            return error
        make = _BY_STATUS.get(status)
        if make is None:
            make = _other_server_error if status >= 500 else _other_client_error
        error = make(message, google, wait)
        error.upstream_message = raw
        return error

    def _bad_request(self, google: GoogleError | None, message: str) -> GatewayError:
        if google is not None and google.status in ("FAILED_PRECONDITION", "OUT_OF_RANGE"):
            return InvalidRequest(message, code="failed_precondition")
        param = self._param(google, message)
        for pattern, code, field in _MESSAGES:
            if re.search(pattern, message, re.IGNORECASE):
                named = self._origins.limit_field if field == "max_completion_tokens" else field
                return InvalidRequest(message, param=named, code=code)
        return InvalidRequest(message, param=param)

    def _param(self, google: GoogleError | None, message: str) -> str | None:
        """Find the client's field that a complaint is about (wire-gemini §5.6)."""
        violations = lenient.members(google.detail("BadRequest"), "fieldViolations") if google is not None else []
        told = lenient.text(violations[0], "field")[:MAX_MESSAGE] if violations else ""
        match = _PATH.search(told) or _PATH.search(message)
        if match is None:
            return None
        path = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", match[0]).lower()
        if found := _DECLARATION.search(path):
            number = int(found[1])
            return self._origins.declarations[number] if number < len(self._origins.declarations) else "tools"
        if found := _CONTENT.search(path):
            number = int(found[1])
            known = number < len(self._origins.contents)
            return f"messages[{self._origins.contents[number]}]" if known else "messages"
        if path.startswith("generation_config"):
            if "max_output_tokens" in path:
                return self._origins.limit_field
            return next((field for name, field in _FIELDS if f".{name}" in path), None)
        if path.startswith("tools"):
            return "tools"
        return next((field for name, field in _PATHS if path.startswith(name)), "messages" if path.startswith("contents") else None)


def _rate_limited(message: str, google: GoogleError | None, wait: float | None) -> GatewayError:
    violations = lenient.members(google.detail("QuotaFailure"), "violations") if google is not None else []
    if any("PerDay" in lenient.text(violation, "quotaId") for violation in violations):
        return QuotaExhausted(message, retry_after=wait)
    return RateLimited(message, retry_after=wait)


def _fixed(kind: type[GatewayError]) -> "Callable[[str, GoogleError | None, float | None], GatewayError]":
    """Keep the upstream's words to ourselves: they are about our identity."""
    return lambda _message, _google, _wait: kind()


def _told(
    kind: type[GatewayError], code: str | None = None, *, retryable: bool | None = None
) -> "Callable[[str, GoogleError | None, float | None], GatewayError]":
    return lambda message, _, wait: kind(message, code=code, retry_after=wait, retryable=retryable)


_BY_STATUS: Final = {
    401: _fixed(UpstreamAuthenticationFailed),
    402: _told(QuotaExhausted),
    403: _fixed(PermissionDenied),
    404: _told(ModelNotFound),
    408: _told(UpstreamTimeout, retryable=True),
    409: _told(UpstreamConflict),
    413: _told(RequestTooLarge),
    429: _rate_limited,
    499: _told(UpstreamUnavailable, "upstream_cancelled"),
    500: _told(UpstreamFailed),
    501: _told(InvalidRequest, "unsupported_operation"),
    503: _told(UpstreamUnavailable),
    504: _told(UpstreamTimeout, retryable=True),
    529: _told(UpstreamOverloaded),
}
_other_server_error: Final = _told(UpstreamUnreachable, "upstream_error")
_other_client_error: Final = _told(InvalidRequest, "upstream_error")


def find_repair(error: GatewayError, body: JsonObject, repairs: frozenset[str], request: JsonValue) -> str | None:
    """Name the change that would make Google take a body that it refused (wire-gemini §5.5, R1–R8)."""
    if error.code == "missing_thought_signature":
        return None if SIGNATURES in repairs else SIGNATURES
    if not isinstance(error, InvalidRequest) or not error.upstream_message:
        return None
    complaint = complaints.own_words(error.upstream_message, request, _KNOWN)
    for pattern, name in _REPAIRS:
        if re.search(pattern, complaint, re.IGNORECASE | re.DOTALL):
            repair = _level(complaint, body, repairs) if name == LEVEL else name
            if repair is not None and repair not in repairs:
                return repair
    return None


_KNOWN: Final = re.compile(
    r"id|thinking_?config|thinking_?level|thought_?signature|(?:parameters|response)_?json_?schema|validated|user|model"
    r"|(?:thinking_level_)?(?:minimal|low|medium|high|xhigh)|include_?server_?side_?tool_?invocations"
    r"|(?:GenerateContentRequest\.)?(?:contents|tools|tool_?config|generation_?config|system_?instruction)(?:\[\d+\])?"
    r"(?:\.[a-z_]+(?:\[\d+\])?){0,3}",
    re.IGNORECASE,
)
"""Names of Google's own interface that complaints put into quotes. Paths end before the names that clients choose."""
_REPAIRS: Final = (
    (r"unknown name \W*id\W.{0,40}function_?(call|response)", IDS),
    (
        r"thought.?signature.*(missing|corrupt|not valid|invalid)|(missing|corrupt|not valid|invalid).*thought.?signature",
        SIGNATURES,
    ),
    (
        r"thinking.?level.{0,80}(not supported|unsupported|not a supported|allowed values)"
        r"|(not supported|not a supported|unsupported) thinking.?level",
        LEVEL,
    ),
    (r"thinking\b.{0,60}(not enabled|not supported)|unknown name \W*thinking_?config", THINKING),
    (
        r"function_?calling_?config\b.{0,60}\b(validated|strict)\b|\bvalidated\b.{0,20}\b(mode|function.?calling)\b|\bmode\b.{0,20}\bvalidated\b",
        VALIDATED,
    ),
    (r"unknown name \W*(parametersJsonSchema|responseJsonSchema|parameters_json_schema|response_json_schema)", OPENAPI),
    (r"function (call|response) turn|multi-?turn request|alternate between|roles? (must|should) alternate|a valid role", TURNS),
    (r"include_?server_?side_?tool_?invocations", SERVER_TOOLS),
)


def _level(message: str, body: JsonObject, repairs: frozenset[str]) -> str | None:
    level = lenient.text(lenient.member(lenient.member(body, "generationConfig"), "thinkingConfig"), "thinkingLevel")
    if not level:
        return None if THINKING in repairs else THINKING
    about_all = re.search(r"thinking.?level is not supported", message, re.IGNORECASE)
    return f"{LEVEL}*" if about_all else f"{LEVEL}{level}"
