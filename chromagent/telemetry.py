"""One structured line for each request, in Cloud Logging's shape. The only writer of logs; prompts, answers, keys never get here.

Lines go to standard error past the standard library's loggers: those search the stack for their caller, whom no line names, which
takes half of the time of a line; and what a host process does to them does not concern ours. Keys with a meaning for Cloud Logging
and the GenAI names: gcp-platform §8. Dots would need quoting in filters, so names are nested.
"""

import json
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, TextIO

from msgspec import Struct

from chromagent import codec
from chromagent.codec import JsonObject

MOST_CAUSES: Final = 5
LONGEST_ID: Final = 64
_LEVELS: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3}


class _Sink(Struct):
    """Where lines go, and the least severity that is written."""

    stream: TextIO
    least: int


_sink: Final = _Sink(sys.stderr, _LEVELS["info"])


def configure(level: str) -> None:
    """Write lines of this severity and above."""
    _sink.stream, _sink.least = sys.stderr, _LEVELS[level]


def write_request(severity: str, message: str, fields: JsonObject) -> None:
    """Write the line of one request."""
    _write(severity, message, fields)


def write_warning(message: str, fields: JsonObject) -> None:
    """Write something that its owner should look at."""
    _write("warning", message, fields)


def write_error(message: str, fields: JsonObject) -> None:
    """Write something that keeps the gateway from serving until its operator acts."""
    _write("error", message, fields)


def write_failure(message: str, error: BaseException, request_id: str) -> None:
    """Write a bug of ours with its stack, which is for the log only."""
    _write("error", message, {"request_id": request_id}, error)


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


def _write(severity: str, message: str, fields: JsonObject, error: BaseException | None = None) -> None:
    if _LEVELS[severity] < _sink.least:
        return
    line: JsonObject = {"severity": severity.upper(), "message": message, "time": datetime.now(UTC).isoformat(), **fields}
    if error is not None:
        line["stack_trace"] = _stack(error)
    with suppress(OSError, ValueError):  # whoever closed standard error has no log, but answers all the same
        _sink.stream.write(_on_one_line(codec.encode_text(line)) + "\n")
        _sink.stream.flush()


def _on_one_line(document: str) -> str:
    r"""Escape what a reader of the log may take for the end of a line, or not show: U+0085, U+2028, U+2029, controls of direction.

    JSON itself escapes only what stands before U+0020. Outside its strings a document is printable, so that escapes fit anywhere.
    """
    if document.isprintable():  # as nearly always
        return document
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in document)


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
