"""One structured line for each request, in Cloud Logging's shape. The only user of logging; prompts, answers, keys never get here.

Keys with a meaning for Cloud Logging and the GenAI names: gcp-platform §8. Dots would need quoting in filters, so names are nested.
"""

import logging
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from chromagent import codec
from chromagent.codec import JsonObject

_logger: Final = logging.getLogger("chromagent")
MOST_CAUSES: Final = 5
LONGEST_ID: Final = 64
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str) -> None:
    """Send our lines to standard error as they are, whatever the host process did to the root logger."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    _logger.handlers = [handler]
    _logger.propagate = False
    _logger.setLevel(_LEVELS[level])


def write_request(severity: str, message: str, fields: JsonObject) -> None:
    """Write the line of one request."""
    _write(_LEVELS[severity], message, fields)


def write_warning(message: str, fields: JsonObject) -> None:
    """Write something that its owner should look at."""
    _write(logging.WARNING, message, fields)


def write_failure(message: str, error: BaseException, request_id: str) -> None:
    """Write a bug of ours with its stack, which is for the log only."""
    _write(logging.ERROR, message, {"request_id": request_id}, error)


def trace_fields(headers: Mapping[str, str], project: str | None) -> JsonObject:
    """Read the trace of the caller: W3C `traceparent`, else `X-Cloud-Trace-Context`."""
    trace, span = "", ""
    if parent := headers.get("traceparent"):
        pieces = parent.split("-")
        if len(pieces) >= 4 and len(pieces[1]) == 32:
            trace, span = pieces[1], pieces[2]
    elif context := headers.get("x-cloud-trace-context"):
        trace, _, span = context.partition(";")[0].partition("/")
    if not trace.isalnum() or len(trace) > LONGEST_ID:
        return {}
    fields: JsonObject = {"logging.googleapis.com/trace": f"projects/{project}/traces/{trace}" if project else trace}
    if span.isalnum() and len(span) <= LONGEST_ID:
        fields["logging.googleapis.com/spanId"] = span
    return fields


def _write(level: int, message: str, fields: JsonObject, error: BaseException | None = None) -> None:
    """Hand a record over that is made here: the logger would search the stack for its caller, whom no line names."""
    if _logger.isEnabledFor(level):
        fault = None if error is None else (type(error), error, error.__traceback__)
        record = logging.LogRecord(_logger.name, level, "", 0, message, None, fault)
        record.fields = fields
        _logger.handle(record)


class Stopwatch:
    """Times of one request, in seconds from its start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.first_chunk: float | None = None

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._start

    def mark_first_chunk(self) -> None:
        """Note when the first chunk left."""
        if self.first_chunk is None:
            self.first_chunk = self.elapsed()


def _stack(error: BaseException) -> str:
    """Write where an error arose, and its kind: its text may hold what a client sent, and stays out."""
    found: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(found) < MOST_CAUSES:
        frames = "".join(traceback.format_tb(cause.__traceback__))
        found.append(f"Traceback (most recent call last):\n{frames}{type(cause).__qualname__}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\n\n".join(reversed(found))


class _Json(logging.Formatter):
    """One JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        line: JsonObject = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["stack_trace"] = _stack(record.exc_info[1])
        return codec.encode_text(line)
