import pytest

from chromagent.errors import GatewayError, InvalidRequest, RateLimited, UpstreamUnavailable
from chromagent.upstream.retry import Patience


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 0.5), (1, 1.0), (2, 2.0), (5, 8.0)])
def test_the_wait_doubles_up_to_its_cap(attempt: int, seconds: float) -> None:
    assert Patience(30.0, jitter=0.5).wait_after(UpstreamUnavailable(), attempt=attempt, retries=9) == seconds


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 0.375), (0.999, 0.62475)])
def test_jitter_spreads_the_wait_by_a_quarter(jitter: float, seconds: float) -> None:
    assert Patience(30.0, jitter=jitter).wait_after(UpstreamUnavailable(), attempt=0, retries=2) == pytest.approx(seconds)


def test_a_short_hint_of_the_upstream_replaces_the_wait() -> None:
    assert Patience(30.0).wait_after(RateLimited(retry_after=3.0), attempt=0, retries=2) == 3.0


def test_a_hint_of_nothing_is_no_hint() -> None:
    assert Patience(30.0, jitter=0.5).wait_after(RateLimited(retry_after=0.0), attempt=0, retries=2) == 0.5


@pytest.mark.parametrize(
    ("error", "attempt"),
    [
        (InvalidRequest(), 0),
        (UpstreamUnavailable(), 2),
        (RateLimited(retry_after=10.1), 0),
    ],
)
def test_it_gives_up_where_waiting_is_no_use(error: GatewayError, attempt: int) -> None:
    assert Patience(30.0).wait_after(error, attempt=attempt, retries=2) is None


def test_the_waits_of_one_request_add_up_to_its_budget() -> None:
    patience = Patience(12.0)
    assert patience.wait_after(RateLimited(retry_after=9.0), attempt=0, retries=5) == 9.0
    assert patience.wait_after(RateLimited(retry_after=9.0), attempt=1, retries=5) is None
    assert patience.wait_after(RateLimited(retry_after=3.0), attempt=1, retries=5) == 3.0
