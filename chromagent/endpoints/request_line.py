"""What the log says of one request. Hides where each figure comes from; never a prompt, an answer or a key."""

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from chromagent import telemetry
from chromagent.codec import JsonObject
from chromagent.endpoints.asgi import Reply, Request
from chromagent.errors import GatewayError, InternalError, UpstreamInvalidResponse, UpstreamTimeout
from chromagent.providers.protocol import Report
from chromagent.telemetry import Stopwatch

if TYPE_CHECKING:
    from chromagent.policy.admission import Admission
    from chromagent.policy.authentication import Caller
    from chromagent.schema.chat import ChatCompletionRequest
    from chromagent.translators.protocol import Delta

CHAT: Final = "chat completion"
_QUIET: Final = frozenset({"health", "preflight"})
"""Operations that are asked for all day; their lines show only where somebody looks for them."""
_LONGEST_TEXT: Final = 1000
"""Letters of what a client names itself and its path; Cloud Logging refuses entries beyond 256 kB."""
_MOST_NAMES: Final = 64
_LONGEST_NAME: Final = 64
"""Characters of a field's name, as in headers: the name of an unknown field is any text of a client."""
_LONGEST_MODEL: Final = 256


class Outcome(Struct):
    """What became of one request, filled on the way."""

    operation: str = "request"
    """What was asked for, which is the line's message; `request` where no endpoint knows it."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    report: Report = field(default_factory=Report)
    admission: "Admission | None" = None
    request: "ChatCompletionRequest | None" = None
    error: GatewayError | None = None
    client_left: bool = False
    cache: str | None = None
    """`hit` or `miss`; None where answers are not kept."""
    usage: JsonObject | None = None
    finish_reasons: dict[int, str] = {}
    whole: bool = False
    """Whether the answer came to its end, so that its usage is the last word."""
    route_answered: bool = False
    """Whether the route of the report has answered, so that no other will be tried."""
    streamed_usage: JsonObject | None = None
    """What the upstream reported of a stream, perhaps before its end."""
    characters: int = 0
    """Characters that passed in a stream: some upstreams report usage at its end only, and not every client waits for that."""
    reasoning_characters: int = 0

    @property
    def caller(self) -> "Caller | None":
        """Who called, once that is known."""
        return self.admission.caller if self.admission is not None else None

    @property
    def caller_id(self) -> str | None:
        """Who called, also where a limit of theirs refused them."""
        return self.caller.id if self.caller else self.error.caller_id if self.error else None

    def tokens_used(self, *, prompt: int, estimate: int) -> int:
        """Return the tokens that the request has cost, at all places where it was tried.

        Where an answer was cut short before its usage was reported, that is the larger of what was reported and what was seen, or
        where nothing was seen, the estimates made before the call: of its prompt, and of all it needs.
        """
        usage = self.streamed_usage or {}
        streamed = usage.get("total_tokens") or 0
        if self.whole and (streamed or self.report.tokens):
            return self.report.tokens + streamed
        if self.characters or self.reasoning_characters:
            from chromagent.schema.chat import BYTES_PER_TOKEN  # noqa: PLC0415 - loaded where something was streamed

            details: JsonObject = usage.get("completion_tokens_details") or {}
            reasoning = max(details.get("reasoning_tokens") or 0, self.reasoning_characters // BYTES_PER_TOKEN)
            seen = (usage.get("prompt_tokens") or prompt) + reasoning + self.characters // BYTES_PER_TOKEN
            return self.report.tokens + max(streamed, seen)
        return self.report.tokens + (max(streamed, estimate) if self._made_something_unseen else streamed)

    @property
    def _made_something_unseen(self) -> bool:
        """An upstream that refuses makes nothing; one that was not waited for, or not understood, may have."""
        if self.report.attempts == 0:
            return False
        if self.error is None or isinstance(self.error, UpstreamTimeout):
            return True
        return isinstance(self.error, UpstreamInvalidResponse | InternalError) and not (self.report.tokens or self.streamed_usage)

    def read_completion(self, completion: JsonObject) -> None:
        """Note what a complete answer tells."""
        self.usage = completion.get("usage")
        self.whole = True
        self.finish_reasons = {choice["index"]: choice["finish_reason"] for choice in completion["choices"]}

    def read_deltas(self, deltas: "list[Delta]") -> None:
        """Note what passes: how much, and finish reasons."""
        for delta in deltas:
            text = delta.delta.get("content")  # nearly every delta is nothing else
            if text:
                self.characters += len(text)
            else:
                self._count(delta.delta)
            if delta.finish_reason is not None:
                self.finish_reasons[delta.choice] = delta.finish_reason

    def _count(self, delta: JsonObject) -> None:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if reasoning:
            self.reasoning_characters += len(reasoning)
        texts = [delta.get("refusal"), *(call.get("function", {}).get("arguments") for call in delta.get("tool_calls", ()))]
        self.characters += sum(len(text) for text in texts if text)


class RequestLine:
    """Writes the lines. `project` names the traces that requests belong to."""

    def __init__(self, project: str | None) -> None:
        self._project = project

    def write(self, request: Request, reply: Reply, outcome: Outcome) -> None:
        """Write the line of one request."""
        status = 499 if outcome.client_left else outcome.error.status if outcome.error else reply.status
        elapsed = outcome.stopwatch.elapsed()
        fields: JsonObject = {
            "httpRequest": {
                "requestMethod": request.method,
                "requestUrl": request.path[:_LONGEST_TEXT],
                "status": status,
                "latency": f"{elapsed:.6f}s",
                "responseSize": str(reply.size),
                "userAgent": request.headers.get("user-agent", "")[:_LONGEST_TEXT],
            },
            **telemetry.trace_fields(request.headers, self._project),
            "request_id": reply.headers.get("x-request-id"),
            "caller": outcome.caller_id,
            "duration_seconds": elapsed,
            "client_left": outcome.client_left,
            "error": _error(outcome.error),
        }
        if outcome.operation == CHAT:
            fields |= _chat(outcome)
        telemetry.write_request(_severity(status, outcome), outcome.operation, fields)


def _chat(outcome: Outcome) -> JsonObject:
    report = outcome.report
    return {
        "route": report.route or None,
        "attempts": report.attempts,
        "gen_ai": _gen_ai(outcome),
        "ignored": _some(report.ignored),
        "downgraded": _some(report.downgraded),
        "workarounds": report.workarounds,
        "cache": outcome.cache,
    }


def _gen_ai(outcome: Outcome) -> JsonObject:
    usage = outcome.usage or {}
    prompt: JsonObject = usage.get("prompt_tokens_details") or {}
    completion: JsonObject = usage.get("completion_tokens_details") or {}
    request = outcome.request
    return {
        "operation": {"name": "chat"},
        "request": {
            "model": request["model"] if request else None,
            "stream": bool(request and request.get("stream")),
        },
        "response": {
            "model": outcome.report.upstream_model[:_LONGEST_MODEL] or None,
            "finish_reasons": [reason for _, reason in sorted(outcome.finish_reasons.items())],
            "time_to_first_chunk": outcome.stopwatch.first_chunk,
        },
        "usage": {
            "input_tokens": usage.get("prompt_tokens"),
            "output_tokens": usage.get("completion_tokens"),
            "cache_read": {"input_tokens": prompt.get("cached_tokens")},
            "reasoning": {"output_tokens": completion.get("reasoning_tokens")},
        },
    }


def _some(names: list[str]) -> list[str]:
    """Names come from clients: neither their number nor their length may make the line long."""
    return [name[:_LONGEST_NAME] for name in names[:_MOST_NAMES]]


def _error(error: GatewayError | None) -> JsonObject | None:
    return None if error is None else {"code": error.code, "type": error.type, "status": error.status}


def _severity(status: int, outcome: Outcome) -> str:
    if outcome.client_left or status < 400:
        return "debug" if outcome.operation in _QUIET else "info"
    return "error" if status >= 500 else "warning"
