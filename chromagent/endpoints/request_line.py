"""What the log says of one request. Hides where each figure comes from; never a prompt, an answer or a key."""

from dataclasses import dataclass, field

from chromagent import telemetry
from chromagent.codec import JsonObject
from chromagent.endpoints.asgi import Reply, Request
from chromagent.errors import GatewayError
from chromagent.policy.admission import Admission
from chromagent.policy.authentication import Caller
from chromagent.providers.protocol import Report
from chromagent.schema.chat import ChatCompletionRequest
from chromagent.telemetry import Stopwatch
from chromagent.translators.protocol import Delta


@dataclass(slots=True)
class Outcome:
    """What became of one request, filled on the way."""

    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    report: Report = field(default_factory=Report)
    admission: Admission | None = None
    request: ChatCompletionRequest | None = None
    error: GatewayError | None = None
    client_left: bool = False
    cache: str | None = None
    """`hit` or `miss`; None where answers are not kept."""
    usage: JsonObject | None = None
    finish_reasons: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def caller(self) -> Caller | None:
        """Who called, once that is known."""
        return self.admission.caller if self.admission is not None else None

    @property
    def total_tokens(self) -> int | None:
        """Tokens used, if the upstream said so; none were used where it was never asked."""
        if self.usage is not None:
            return self.usage.get("total_tokens")
        return 0 if self.report.attempts == 0 else None

    def read_completion(self, completion: JsonObject) -> None:
        """Note what a complete answer tells."""
        self.usage = completion.get("usage")
        self.finish_reasons = {choice["index"]: choice["finish_reason"] for choice in completion["choices"]}

    def read_deltas(self, deltas: list[Delta]) -> None:
        """Note finish reasons as they pass."""
        for delta in deltas:
            if delta.finish_reason is not None:
                self.finish_reasons[delta.choice] = delta.finish_reason


def write(request: Request, reply: Reply, outcome: Outcome) -> None:
    """Write the line."""
    status = 499 if outcome.client_left else outcome.error.status if outcome.error else reply.status
    elapsed = outcome.stopwatch.elapsed()
    fields: JsonObject = {
        "httpRequest": {
            "requestMethod": request.method,
            "requestUrl": request.path,
            "status": status,
            "latency": f"{elapsed:.6f}s",
            "responseSize": str(reply.size),
            "userAgent": request.headers.get("user-agent", ""),
        },
        **telemetry.trace_fields(request.headers, None),
        "request_id": reply.headers.get("x-request-id"),
        "caller": outcome.caller.id if outcome.caller else None,
        "route": outcome.report.route or None,
        "attempts": outcome.report.attempts,
        "duration_seconds": elapsed,
        "gen_ai": _gen_ai(outcome),
        "ignored": outcome.report.ignored,
        "downgraded": outcome.report.downgraded,
        "repairs": outcome.report.repairs,
        "client_left": outcome.client_left,
        "cache": outcome.cache,
        "error": _error(outcome.error),
    }
    telemetry.write_request(_severity(status, client_left=outcome.client_left), "chat completion", fields)


def _gen_ai(outcome: Outcome) -> JsonObject:
    usage = outcome.usage or {}
    prompt: JsonObject = usage.get("prompt_tokens_details") or {}
    completion: JsonObject = usage.get("completion_tokens_details") or {}
    request = outcome.request
    return {
        "operation": {"name": "chat"},
        "request": {"model": request["model"] if request else None, "stream": bool(request and request.get("stream"))},
        "response": {
            "model": outcome.report.upstream_model or None,
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


def _error(error: GatewayError | None) -> JsonObject | None:
    return None if error is None else {"code": error.code, "type": error.type, "status": error.status}


def _severity(status: int, *, client_left: bool) -> str:
    if client_left or status < 400:
        return "info"
    return "error" if status >= 500 else "warning"
