import pytest

from chromagent import errors
from chromagent.errors import GatewayError, InvalidRequest, RateLimited, UpstreamAuthenticationFailed


def test_the_body_has_openais_four_members_in_their_order() -> None:
    body = errors.to_body(InvalidRequest("Too hot.", param="temperature", code="decimal_above_max_value"))
    assert list(body) == ["error"]
    assert body["error"] == {
        "message": "Too hot.",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "decimal_above_max_value",
    }


def test_a_wait_is_told_in_whole_seconds_and_in_milliseconds() -> None:
    assert errors.to_headers(RateLimited(retry_after=34.4)) == {"retry-after": "35", "retry-after-ms": "34400"}


def test_an_error_that_no_retry_mends_says_so() -> None:
    assert errors.to_headers(UpstreamAuthenticationFailed()) == {"x-should-retry": "false"}


# decisions on errors: status, type, code, x-should-retry
TABLE = {
    errors.MissingApiKey: (401, "invalid_request_error", "missing_api_key", False),
    errors.InvalidApiKey: (401, "invalid_request_error", "invalid_api_key", False),
    errors.ModelNotFound: (404, "invalid_request_error", "model_not_found", None),
    errors.ResourceNotFound: (404, "invalid_request_error", "resource_not_found", None),
    errors.RateLimited: (429, "rate_limit_error", "rate_limit_exceeded", None),
    errors.RequestTooLarge: (413, "invalid_request_error", "request_too_large", None),
    errors.InvalidJson: (400, "invalid_request_error", "invalid_json", None),
    errors.Misconfigured: (503, "server_error", "gateway_misconfigured", False),
    errors.UpstreamAuthenticationFailed: (502, "server_error", "upstream_authentication_error", False),
    errors.PermissionDenied: (403, "permission_error", "upstream_permission_denied", None),
    errors.QuotaExhausted: (429, "insufficient_quota", "insufficient_quota", False),
    errors.UpstreamFailed: (500, "server_error", "upstream_error", None),
    errors.UpstreamUnavailable: (503, "server_error", "upstream_unavailable", None),
    errors.UpstreamOverloaded: (503, "server_error", "upstream_overloaded", None),
    errors.UpstreamTimeout: (504, "server_error", "upstream_timeout", None),
    errors.UpstreamUnreachable: (502, "server_error", "upstream_unreachable", None),
    errors.UpstreamInvalidResponse: (502, "server_error", "upstream_invalid_response", None),
    errors.InternalError: (500, "server_error", "internal_error", None),
}


@pytest.mark.parametrize(("kind", "row"), TABLE.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_each_case_has_its_row(kind: type[GatewayError], row: tuple[int, str, str, bool | None]) -> None:
    error = kind()
    assert (error.status, error.type, error.code, error.should_retry) == row


def test_an_unknown_model_is_a_fault_of_the_model_field() -> None:
    assert errors.ModelNotFound().param == "model"
