"""The error bodies that Google's front answers for every upstream on Vertex AI, and what must not leave of any message.

Shapes: wire-gemini §5.2, wire-anthropic §5.2. Bodies come plain, wrapped in an array of one, as HTML from a proxy, or empty.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.translators import lenient

LONGEST_MESSAGE: Final = 2000
"""Characters of an upstream's message that anything looks at: it may repeat what a client sent, and some patterns are quadratic."""
LONGEST_TEXT: Final = 500
LONGEST_WAIT: Final = 1e9
"""Neither seconds nor milliseconds reach this; infinity and what is no number do not stay below it."""


class GoogleError(NamedTuple):
    """`google.rpc.Status` as HTTP bodies carry it."""

    code: int
    message: str
    status: str
    details: list[JsonObject]

    def detail(self, kind: str) -> JsonObject:
        """Return the first detail of a type such as `RetryInfo`; empty if there is none."""
        return next(
            (detail for detail in self.details if lenient.text(detail, "@type").endswith(f".{kind}")), lenient.as_object(None)
        )

    @property
    def reason(self) -> str:
        """Reason of the `ErrorInfo`, such as `API_KEY_INVALID`."""
        return str(self.detail("ErrorInfo").get("reason", ""))

    @property
    def retry_delay(self) -> float | None:
        """Seconds of the `RetryInfo`, written as `"34.4s"` or as seconds and nanos."""
        delay = self.detail("RetryInfo").get("retryDelay")
        if isinstance(delay, str):
            return _number(delay.removesuffix("s"))
        if isinstance(delay, dict):
            parts = cast("JsonObject", delay)
            seconds, nanos = _number(parts.get("seconds", 0)), _number(parts.get("nanos", 0))
            return None if seconds is None or nanos is None else seconds + nanos / 1e9
        return None


def unwrap(body: bytes) -> JsonObject | None:
    """Return the JSON object of an error body, out of an array of one if need be; None if there is none."""
    try:
        document = codec.decode(body)
    except codec.MalformedJson:
        return None
    if isinstance(document, list) and document:
        document = cast("list[JsonValue]", document)[0]
    return cast("JsonObject", document) if isinstance(document, dict) else None


def google_error(document: JsonObject | None) -> GoogleError | None:
    """Read Google's shape; None for any other."""
    error = (document or {}).get("error")
    if not isinstance(error, dict):
        return None
    error = cast("JsonObject", error)
    code = error.get("code")
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    details = error.get("details")
    known = (
        [cast("JsonObject", detail) for detail in cast("list[JsonValue]", details) if isinstance(detail, dict)]
        if isinstance(details, list)
        else []
    )
    return GoogleError(code, str(error.get("message") or ""), str(error.get("status") or ""), known)


def text_of(body: bytes) -> str:
    """Return the beginning of a body that has no known shape, without tags."""
    text = body[: LONGEST_TEXT * 8].decode("utf-8", "replace")
    return " ".join(re.sub(r"<[^>]{0,200}>", " ", text).split())[:LONGEST_TEXT]


def retry_after(headers: Mapping[str, str], google: GoogleError | None) -> float | None:
    """Return the seconds to wait that the upstream tells: `retry-after-ms`, `retry-after` (seconds or a date), or `RetryInfo`."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, milliseconds / 1000)
    if hint := headers.get("retry-after"):
        seconds = _number(hint)
        return _between(headers.get("date"), hint) if seconds is None else max(0.0, seconds)
    return google.retry_delay if google is not None else None


_SECRETS: Final = (
    (re.compile(r"projects/[^/\s`'\"]{1,100}/locations/[^/\s`'\"]{1,100}/"), ""),
    (
        re.compile(  # after a mere space only what looks like an id: "your project does not exist" names nothing
            r"\bproject(?:s|[ _](?:number|id))?(?:\s?[/:=#]\s?|\s+(?=[`'\"]?[a-z]*[0-9-]))([`'\"]?)[a-z0-9][a-z0-9:._-]{3,99}\1",
            re.IGNORECASE,
        ),
        "project",
    ),
    (re.compile(r"[\w.+-]{1,100}@[\w.-]{1,100}\.gserviceaccount\.com"), "[service account]"),
    (re.compile(r"\bya29\.[\w.-]+|\bAIza[\w-]{20,}|\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[credential]"),
    (re.compile(r"https?://[\w.-]*(?:googleapis\.com|google\.internal)[^\s`'\")]*"), "[upstream]"),
)


def redact(text: str, project: str) -> str:
    """Take out of a message what a client must not learn: projects, service accounts, credentials, upstream addresses.

    Links that help ("Learn more: …") stay.
    """
    text = text[:LONGEST_MESSAGE]
    if project:
        text = re.sub(rf"projects/{re.escape(project)}/locations/[^/\s]{{1,100}}/", "", text)
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return re.sub(rf"(?<![\w-]){re.escape(project)}(?![\w-])", "[project]", text) if len(project) > 3 else text


def _number(value: JsonValue) -> float | None:
    """Read a time; None for what is no number, or none that a wait can have."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < LONGEST_WAIT else None


def _between(now: str | None, then: str) -> float | None:
    """Seconds between two dates of the same answer; None where one is missing or unreadable."""
    try:
        return max(0.0, (parsedate_to_datetime(then) - parsedate_to_datetime(now or "")).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
