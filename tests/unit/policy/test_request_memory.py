"""The memory of running requests: what is counted, whose it is, and who is refused."""

import json
from typing import Any

import pytest

from chromagent.errors import GatewayOverloaded, InvalidRequest, RateLimited, RequestTooLarge
from chromagent.policy.request_memory import RequestMemory, estimated_size


def test_one_caller_gets_half_and_another_one_the_rest() -> None:
    memory = RequestMemory(100)
    first, second = memory.open("a"), memory.open("a")
    first.add(30)
    second.add(20)
    with pytest.raises(RateLimited) as caught:
        second.add(1)
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "rate_limit_exceeded", 2.0)
    memory.open("b").add(50)
    assert memory.used == 100


def test_beyond_the_whole_everybody_is_refused_for_a_while() -> None:
    memory = RequestMemory(100)
    memory.open("a").add(50)
    memory.open("b").add(50)
    with pytest.raises(GatewayOverloaded) as caught:
        memory.open("c").add(1)
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, "gateway_overloaded", 2.0)


def test_a_request_that_would_never_fit_is_told_so() -> None:
    with pytest.raises(RequestTooLarge):
        RequestMemory(100).open("a").add(51)


def test_what_was_refused_is_not_counted_and_all_is_given_back() -> None:
    memory = RequestMemory(100)
    with memory.open("a") as share:
        share.add(50)
        with pytest.raises(RequestTooLarge):
            share.add(1)
        assert memory.used == 50
    assert memory.used == 0


def test_a_share_is_given_back_by_its_last_user() -> None:
    memory = RequestMemory(100)
    with memory.open("a") as share:
        share.add(10)
        share.retain()
    assert memory.used == 10
    share.release()
    assert memory.used == 0


def body(content: Any) -> bytes:
    return json.dumps({"model": "m", "messages": content}, separators=(",", ":"), ensure_ascii=False).encode()


def test_a_small_body_counts_as_it_is() -> None:
    assert estimated_size(b"[" * 4095) == 4095


def test_a_body_of_text_counts_four_times_and_its_few_values() -> None:
    text = body("x" * 10_000)
    assert estimated_size(text) == 4 * len(text) + 2 * 256


@pytest.mark.parametrize("wide", ["😀", "é", "\\u00e9"])
def test_a_body_with_a_wide_character_counts_eight_times(wide: str) -> None:
    text = b'"' + b"x" * 100_000 + wide.encode() + b'"'
    assert estimated_size(text) == 8 * len(text)


@pytest.mark.parametrize("value", [b"[],", b"1,", b"{},"])
def test_more_values_than_a_model_could_read_are_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        estimated_size(b"[" + value * 500_000 + b"1]")
    assert caught.value.code == "too_many_values"


def test_an_honest_chat_of_ten_megabytes_is_taken() -> None:
    text = body([{"role": "user", "content": "Once upon a time, there was a gateway. " * 5}] * 45_000)
    assert len(text) > 10_000_000
    with RequestMemory(256 * 1024 * 1024).open("a") as share:
        share.add(len(text))
        share.add_body(text)
