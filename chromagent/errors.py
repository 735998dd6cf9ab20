"""Every error that a client can see. Hides how an error becomes a status, a body and headers.

    GatewayError
    ├── InvalidRequest 400 ─── InvalidJson
    ├── MissingApiKey 401, InvalidApiKey 401
    ├── PermissionDenied 403, OriginNotAllowed 403
    ├── ModelNotFound 404, ResourceNotFound 404, MethodNotAllowed 405
    ├── RequestTimeout 408
    ├── UpstreamConflict 409
    ├── RequestTooLarge 413
    ├── HostNotAllowed 421
    ├── RateLimited 429 ─── TokensLimited, MemoryLimited; QuotaExhausted 429
    ├── InternalError 500, UpstreamFailed 500
    ├── UpstreamAuthenticationFailed 502, UpstreamUnreachable 502, UpstreamInvalidResponse 502
    ├── UpstreamUnavailable 503, UpstreamOverloaded 503, Misconfigured 503, LimiterUnavailable 503,
    │   GatewayOverloaded 503
    └── UpstreamTimeout 504

The official clients choose their exception by status, then show `message`, `type`, `param` and `code`; they retry 408, 409,
429 and 5xx unless `x-should-retry: false` (openai 3.54, `_base_client`).
"""

import math
from typing import ClassVar, Literal

from chromagent.codec import JsonObject


class GatewayError(Exception):
    """An error in OpenAI's shape. `retryable` says whether the gateway itself may try again; the client is told by headers."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None
    default_param: ClassVar[str | None] = None
    default_message: ClassVar[str] = "Something went wrong."
    should_retry: ClassVar[bool | None] = None
    """Value of `x-should-retry`; None leaves the choice to the client's own rules."""
    default_retryable: ClassVar[bool] = False
    scope: ClassVar[Literal["request", "location", "backend"]] = "request"
    """What is at fault, and so who else may serve the request: nobody, another location (a model may be missing or out of quota at
    one place only), or another backend.
    """
    when: ClassVar[str] = ""
    """The case in a few words, for the table of errors in the documentation."""

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        self.message = message or self.default_message
        self.param = param or self.default_param
        self.code = code or self.default_code
        self.retry_after = retry_after
        """Seconds after which the upstream or a limit says that a try makes sense."""
        self.headers: dict[str, str] = {}
        """What else the client is told, such as how much of a limit is left."""
        self.retryable = self.default_retryable if retryable is None else retryable
        self.upstream_message = ""
        """The upstream's own words, unabridged. For the repairs of a wire format only: never sent, never logged."""
        self.caller_id: str | None = None
        """Whom one of their own limits refused. For the log only."""
        super().__init__(self.message)


class InvalidRequest(GatewayError):
    """The request is at fault; `param` names the field and `code` the kind of fault."""

    status = 400
    type = "invalid_request_error"
    default_code = "invalid_value"
    default_message = "The request is not valid."
    when = "a field is wrong; `param` names it"


class InvalidJson(InvalidRequest):
    """The body is not a JSON object."""

    default_code = "invalid_json"
    default_message = "We could not parse the JSON body of your request. It must be one JSON object."
    when = "the body is not a JSON object"


class MissingApiKey(GatewayError):
    """No client key came along."""

    status = 401
    type = "invalid_request_error"
    default_code = "missing_api_key"
    default_message = "You did not provide an API key. Send it as a Bearer token in the Authorization header."
    should_retry = False
    when = "no client key"


class InvalidApiKey(GatewayError):
    """The client key is unknown, expired or disabled; the answer does not say which."""

    status = 401
    type = "invalid_request_error"
    default_code = "invalid_api_key"
    default_message = "Incorrect API key provided. Ask the owner of this gateway for a key."
    should_retry = False
    when = "the client key is unknown, expired or disabled"


class PermissionDenied(GatewayError):
    """The upstream refuses the gateway's identity this model or project."""

    scope = "location"
    status = 403
    type = "permission_error"
    default_code = "upstream_permission_denied"
    default_message = "The gateway's identity may not use this model. Its owner must grant the permission or enable the API."
    when = "the upstream answered 403"


class OriginNotAllowed(GatewayError):
    """A browser sent the request for a web page of another origin, and this gateway asks nobody for a key."""

    status = 403
    type = "permission_error"
    default_code = "origin_not_allowed"
    default_message = "This gateway does not serve web pages of this origin. Its operator can list the origin in `cors.origins`."
    should_retry = False
    when = "without keys (`allow_anonymous`), a web page of another origin that `cors.origins` does not list"


class ModelNotFound(GatewayError):
    """The model is not known, or not allowed for this key."""

    scope = "location"
    status = 404
    type = "invalid_request_error"
    default_code = "model_not_found"
    default_param = "model"
    default_message = "The model does not exist or you do not have access to it."
    when = "the model is unknown, or this key may not use it"


class ResourceNotFound(GatewayError):
    """No such path."""

    status = 404
    type = "invalid_request_error"
    default_code = "resource_not_found"
    default_message = "Unknown request URL."
    when = "no such path"


class MethodNotAllowed(GatewayError):
    """The path exists, the method does not."""

    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"
    default_message = "This path does not accept that method."
    when = "wrong method; `Allow` lists the right ones"


class RequestTimeout(GatewayError):
    """The client did not send its body in time."""

    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"
    default_message = "The request body did not arrive in time."
    when = "the body did not arrive in time"


class UpstreamConflict(GatewayError):
    """The upstream saw two things at once that exclude each other."""

    status = 409
    default_code = "upstream_conflict"
    default_message = "The upstream reported a conflict."
    default_retryable = True
    when = "the upstream answered 409"


class RequestTooLarge(GatewayError):
    """The body is longer than the gateway or the upstream takes."""

    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"
    default_message = "The request body is too large."
    when = "the body is longer than the limit"


class HostNotAllowed(GatewayError):
    """The request names a host that this gateway does not answer for."""

    status = 421
    type = "invalid_request_error"
    default_code = "host_not_allowed"
    default_message = "This gateway does not answer under this host name. Its operator can list the host in `allowed_hosts`."
    should_retry = False
    when = "the Host header is not one of `allowed_hosts`"


class RateLimited(GatewayError):
    """A limit of the gateway or of the upstream; it passes."""

    scope = "location"
    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"
    default_message = "Rate limit reached. Try again later."
    default_retryable = True
    when = "a limit of the gateway or of the upstream"


class MemoryLimited(RateLimited):
    """The running requests of one key take all the memory that one key may have in an instance."""

    scope = "request"
    when = "the running requests of this key take all the memory that one key may have in an instance (`max_request_memory`)"


class TokensLimited(RateLimited):
    """A key used up its tokens for now."""

    default_code = "tokens_limit_exceeded"
    default_message = "Token limit reached. Try again later."
    when = "the tokens of this key are used up for now"


class QuotaExhausted(GatewayError):
    """A daily or billing quota of the upstream; waiting a minute does not help."""

    scope = "location"
    status = 429
    type = "insufficient_quota"
    default_code = "insufficient_quota"
    default_message = "The upstream quota is used up."
    should_retry = False
    when = "a daily or billing quota of the upstream is used up"


class InternalError(GatewayError):
    """A bug of ours. The stack is in the log only."""

    default_code = "internal_error"
    default_message = "The gateway made a mistake. The request id helps its owner to find it in the log."
    when = "a bug of the gateway"


class UpstreamFailed(GatewayError):
    """The upstream answered 500 or another error without a row of its own."""

    scope = "location"
    default_code = "upstream_error"
    default_message = "The upstream failed."
    default_retryable = True
    when = "the upstream answered 500"


class UpstreamAuthenticationFailed(GatewayError):
    """The gateway's own credential was refused; the client's key is fine."""

    scope = "backend"
    status = 502
    default_code = "upstream_authentication_error"
    default_message = "The gateway could not authenticate with the model provider."
    should_retry = False
    when = "the upstream refused the gateway's own credential"


class UpstreamUnreachable(GatewayError):
    """No connection, or it broke."""

    scope = "location"
    status = 502
    default_code = "upstream_unreachable"
    default_message = "The gateway could not reach the model provider, or lost the connection."
    default_retryable = True
    when = "no connection to the upstream, or it broke"


class UpstreamInvalidResponse(GatewayError):
    """The upstream's answer is not what its own documentation allows, or ends in the middle."""

    scope = "location"
    status = 502
    default_code = "upstream_invalid_response"
    default_message = "The model provider's answer was malformed or incomplete."
    when = "a malformed, incomplete or impossible answer of the upstream (or the finish reason in lower case as the code)"


class UpstreamUnavailable(GatewayError):
    """The upstream answered 503."""

    scope = "location"
    status = 503
    default_code = "upstream_unavailable"
    default_message = "The model provider is unavailable."
    default_retryable = True
    when = "the upstream answered 503"


class UpstreamOverloaded(GatewayError):
    """The upstream answered 529 or said that it is overloaded."""

    scope = "location"
    status = 503
    default_code = "upstream_overloaded"
    default_message = "The model provider is overloaded."
    default_retryable = True
    when = "the upstream answered 529"


class Misconfigured(GatewayError):
    """The gateway cannot serve until its owner mends the configuration."""

    scope = "backend"
    status = 503
    default_code = "gateway_misconfigured"
    default_message = "This gateway is not configured to serve requests."
    should_retry = False
    when = "no key store, or a part of the configuration that is needed now is missing"


class LimiterUnavailable(GatewayError):
    """The storage of rate limits is away, and the owner wants nobody let in uncounted."""

    status = 503
    default_code = "limiter_unavailable"
    default_message = "The gateway cannot count requests now. Try again later."
    when = "the storage of rate limits is away, where `rate_limit.when_away` is closed"


class GatewayOverloaded(GatewayError):
    """The requests that are running in this instance take all the memory that requests may have."""

    status = 503
    default_code = "gateway_overloaded"
    default_message = (
        "This instance of the gateway is serving as many large requests as its memory holds. Try again in a few seconds."
    )
    when = (
        "the memory that requests may have in one instance is used up (`max_request_memory`); `Retry-After` says when to try again"
    )


class UpstreamTimeout(GatewayError):
    """The upstream was silent for too long, or said itself that it ran out of time."""

    scope = "location"
    status = 504
    default_code = "upstream_timeout"
    default_message = "The model provider did not answer in time."
    when = "the upstream was silent for too long"


def to_body(error: GatewayError) -> JsonObject:
    """The one rendering of an error: OpenAI's object. `error` is the first key, as some clients look for it there."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def to_headers(error: GatewayError) -> dict[str, str]:
    """`Retry-After` in whole seconds, `retry-after-ms` (what the official clients prefer), `x-should-retry`, and its own."""
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["retry-after"] = str(max(0, math.ceil(error.retry_after)))
        headers["retry-after-ms"] = str(max(0, math.ceil(error.retry_after * 1000)))
    if error.should_retry is not None:
        headers["x-should-retry"] = "true" if error.should_retry else "false"
    return headers


def drop_tracebacks(error: BaseException | None) -> None:
    """Take the tracebacks from an error that was dealt with, and from those that led to it.

    A traceback leads to frames, and a frame often to the error itself. Such a cycle stays in memory until the garbage collector
    finds it, and the event loop stands still while it collects thousands of them.
    """
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
