"""Anthropic's errors, and Google's around them → ours; and the changes that make the upstream take what it refused.

Source: wire-anthropic §5.2–5.4, §1.4, §2.7, §2.9.4, §2.10; statuses and codes of decisions §10 win. Wording changes, so texts are
matched loosely.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from chromagent import codec
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
    UpstreamInvalidResponse,
    UpstreamOverloaded,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from chromagent.translators import complaints, lenient, upstream_errors
from chromagent.translators.protocol import ONCE
from chromagent.translators.redaction import MAX_MESSAGE, Redactor, shorten
from chromagent.translators.upstream_errors import GoogleError

STRIP_THINKING: Final = f"{ONCE}thinking"
CACHE_MARK: Final = "cache-control"
STRUCTURED: Final = "structured"
SCHEMA: Final = f"{ONCE}schema"
SYSTEM_ROLE: Final = "system-role"
BETA: Final = "beta:"

_STATUS_OF: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_STATUS_OF_GOOGLE: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_MESSAGES: Final = (
    (r"prompt is too long|exceed context limit|context window", "context_length_exceeded", "messages"),
    (r"max_tokens.*maximum allowed|maximum allowed.*max_tokens", "invalid_value", "max_completion_tokens"),
    (r"image.*(exceeds|dimension)|(exceeds|dimension).*image", "invalid_image", "messages"),
)
_IDENTIFIER: Final = re.compile(r"[a-z][a-z_]{2,60}")


class ErrorReader:
    """Reads the errors of answers to one request."""

    def __init__(self, redact: Redactor, rename: Callable[[str], str] = lambda text: text) -> None:
        self._redact = redact
        self._rename = rename
        """Puts the client's names of functions into a message."""

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Read an answer with a status of 400 or more, in any of its shapes."""
        document = upstream_errors.unwrap(body)
        google = upstream_errors.google_error(document)
        wait = upstream_errors.retry_after(headers, google)
        inner = _inner(google)
        if inner is not None or (document is not None and document.get("type") == "error"):
            error = lenient.member(inner or document or {}, "error")
            made = self._convert(status, error, None, wait)
        elif google is not None:
            made = self._convert(status, {"message": google.message}, google, wait)
        else:
            made = self._convert(status, {"message": _plain_message(document) or upstream_errors.text_of(body)}, None, wait)
        if (hint := headers.get("x-should-retry")) in ("true", "false"):
            made.retryable = hint == "true"
        return made

    def read_event(self, event: JsonObject) -> GatewayError:
        """Read an `error` event of a stream, or an error document that came instead of a stream; the kind tells the status."""
        document = lenient.member(event, "error")
        google = upstream_errors.google_error(event)
        if google is not None:
            return self._convert(
                google.code or _STATUS_OF_GOOGLE.get(google.status, 500), {"message": google.message}, google, None
            )
        return self._convert(_STATUS_OF.get(lenient.text(document, "type"), 500), document, None, None)

    def _convert(self, status: int, error: JsonObject, google: GoogleError | None, wait: float | None) -> GatewayError:
        raw = shorten(lenient.text(error, "message"), MAX_MESSAGE)
        message = self._redact(self._rename(raw)) or f"The model provider answered with status {status}."
        made = self._make(status, message, error, google, wait)
        made.upstream_message = raw
        return made

    def _make(self, status: int, message: str, error: JsonObject, google: GoogleError | None, wait: float | None) -> GatewayError:
        if status == 400:
            return _bad_request(message, self._redact.identifier(_error_code(error)), google)
        if status == 429 and google is not None and _is_daily(google):
            return QuotaExhausted(message, retry_after=wait)
        kind = _BY_STATUS.get(status)
        if kind is None:
            if status >= 499:  # 499: the provider gave up by itself
                return UpstreamUnreachable(message, code="upstream_error", retry_after=wait, retryable=status >= 500)
            return InvalidRequest(message, code="upstream_error")
        if kind in (UpstreamAuthenticationFailed, PermissionDenied):
            return kind()
        if kind is UpstreamTimeout:
            return UpstreamTimeout(message, retry_after=wait, retryable=True)
        return kind(message, retry_after=wait)


_BY_STATUS: Final[dict[int, type[GatewayError]]] = {
    401: UpstreamAuthenticationFailed,
    402: QuotaExhausted,
    403: PermissionDenied,
    404: ModelNotFound,
    408: UpstreamTimeout,
    409: UpstreamConflict,
    413: RequestTooLarge,
    429: RateLimited,
    500: UpstreamFailed,
    503: UpstreamUnavailable,
    504: UpstreamTimeout,
    529: UpstreamOverloaded,
}


def _error_code(error: JsonObject) -> str:
    return lenient.text(lenient.member(error, "details"), "error_code")


def _bad_request(message: str, detail: str, google: GoogleError | None) -> GatewayError:
    if google is not None and google.status == "FAILED_PRECONDITION" and "not allowed" in google.message:
        return PermissionDenied()
    if "credit balance" in message.lower():
        return QuotaExhausted(message)
    for pattern, code, param in _MESSAGES:
        if re.search(pattern, message, re.IGNORECASE | re.DOTALL):
            return InvalidRequest(message, code=code, param=param)
    made = InvalidRequest(message)
    made.code = detail if _IDENTIFIER.fullmatch(detail) else None  # Anthropic does not say which field, so neither do we
    return made


def _is_daily(google: GoogleError) -> bool:
    violations = lenient.members(google.detail("QuotaFailure"), "violations")
    return any("PerDay" in lenient.text(violation, "quotaId") for violation in violations)


def _inner(google: GoogleError | None) -> JsonObject | None:
    """Find Anthropic's own error inside the message of Google's."""
    if google is None or '"type"' not in google.message:
        return None
    start = google.message.find("{")
    try:
        document = lenient.as_object(codec.decode(google.message[start:])) if start >= 0 else {}
    except codec.MalformedJson:
        return None
    return document if document.get("type") == "error" else None


def _plain_message(document: JsonObject | None) -> str:
    if document is None:
        return ""
    return lenient.text(document, "error") or lenient.text(document, "message")


_KNOWN: Final = re.compile(
    r"anthropic-beta|[a-z0-9-]+-20\d\d-\d\d-\d\d|(?:redacted_)?thinking|signature|user|assistant|system|role|cache_control"
    r"|output_config(?:\.format)?|output_format",
    re.IGNORECASE,
)
"""Names of Anthropic's own interface that complaints put into quotes."""


def find_repair(
    error: GatewayError, body: JsonObject, headers: Mapping[str, str], repairs: frozenset[str], request: JsonValue
) -> str | None:
    """Name the change that would make the upstream take a request that it refused."""
    if not isinstance(error, InvalidRequest) or not error.upstream_message:
        return None
    message = complaints.own_words(error.upstream_message, request, _KNOWN)
    lower = message.lower()
    candidates = (
        _refused_beta(message, headers) if _ABOUT_BETA.search(lower) else None,
        STRIP_THINKING if _is_about_thinking(lower) else None,
        _structured(lower, body),
        CACHE_MARK if "cache_control" in lower and "extra inputs" in lower and "cache_control" in body else None,
        SYSTEM_ROLE if _is_about_system(lower, body) else None,
    )
    return next((name for name in candidates if name is not None and name not in repairs), None)


_ABOUT_BETA: Final = re.compile(
    r"(unexpected|unknown|invalid|unsupported|not supported|not allowed).*anthropic-beta"
    r"|anthropic-beta.*(unexpected|unknown|invalid|unsupported|not )"
)
_ABOUT_ROLE: Final = re.compile(r"messages\.\d+\.role\b|(unexpected|invalid|unsupported) role\b|\brole\W{1,3}system\b")


def _refused_beta(message: str, headers: Mapping[str, str]) -> str | None:
    sent = [name for name in headers.get("anthropic-beta", "").split(",") if name]
    named = [name for name in sent if name in message]
    return f"{BETA}{','.join(named or sent)}" if sent else None


def _is_about_thinking(lower: str) -> bool:
    about = "signature" in lower and "thinking" in lower
    return about or "cannot be modified" in lower or bool(re.search(r"expected `?(redacted_)?thinking", lower))


def _structured(lower: str, body: JsonObject) -> str | None:
    if not lenient.member(body, "output_config").get("format"):
        return None
    if "output_config" in lower and "extra inputs" in lower:
        return STRUCTURED
    about_schema = "schema is too complex" in lower or "output_config.format" in lower or "output_format" in lower
    return SCHEMA if about_schema or ("citations" in lower and "format" in lower) else None


def _is_about_system(lower: str, body: JsonObject) -> bool:
    return bool(_ABOUT_ROLE.search(lower)) and any(message["role"] == "system" for message in body["messages"])


def broken_off() -> GatewayError:
    """Make the error of a stream that ended before its end."""
    return UpstreamInvalidResponse("The model provider's stream ended before the answer was complete.")
