import pytest

from chromagent.translators.upstream_errors import google_error, retry_after


@pytest.mark.parametrize("hint", ["inf", "-inf", "1e400", "nan", "soon", ""])
def test_a_hint_that_is_no_time_is_no_hint(hint: str) -> None:
    assert retry_after({"retry-after": hint}, None) is None
    assert retry_after({"retry-after-ms": hint}, None) is None


@pytest.mark.parametrize("delay", ["infs", "nans", "s", {"seconds": "inf"}])
def test_a_delay_that_is_no_time_is_none(delay: object) -> None:
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    error = google_error({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [detail]}})
    assert error is not None
    assert error.retry_delay is None
