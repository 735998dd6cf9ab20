"""A refusal, and both vendors' ways to write it down. Shapes: wire-gemini §5.2, wire-anthropic §5.2."""

from typing import Final

from chromagent.codec import JsonObject, JsonValue

_GOOGLE: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ANTHROPIC: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Refused(Exception):
    """The request is refused."""

    def __init__(self, message: str, *, status: int = 400, wait: float | None = None, daily: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.wait = wait
        """Seconds after which a try makes sense."""
        self.daily = daily


def as_google(refused: Refused) -> JsonObject:
    """Write Google's error."""
    status = 503 if refused.status == 529 else refused.status
    error: JsonObject = {"code": status, "message": refused.message, "status": _GOOGLE.get(status, "UNKNOWN")}
    details: list[JsonValue] = []
    if refused.wait is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refused.wait:g}s"})
    if refused.daily:
        violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaMetric": "aiplatform.googleapis.com/requests"}
        details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]})
    if details:
        error["details"] = details
    return {"error": error}


def as_anthropic(refused: Refused) -> JsonObject:
    """Write Anthropic's error, as Vertex AI passes it on."""
    error = {"type": _ANTHROPIC.get(refused.status, "api_error"), "message": refused.message}
    return {"type": "error", "error": error, "request_id": "req_vrtx_simulated"}
