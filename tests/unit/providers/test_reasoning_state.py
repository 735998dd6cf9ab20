"""The cache of reasoning state: one caller's view of it, and its size."""

import tracemalloc

from chromagent.providers.reasoning_state import ReasoningStateCache

MIB = 1024 * 1024


def test_a_caller_finds_what_its_own_answers_left() -> None:
    cache = ReasoningStateCache(MIB)
    cache.of_caller("key_a")["call_1"] = "signature"
    assert cache.of_caller("key_a").get("call_1") == "signature"


def test_the_same_id_of_another_caller_is_another_entry() -> None:
    cache = ReasoningStateCache(MIB)
    cache.of_caller("key_a")["call_1"] = "of a"
    cache.of_caller("key_b")["call_1"] = "of b"
    assert (cache.of_caller("key_a").get("call_1"), cache.of_caller("key_b").get("call_1")) == ("of a", "of b")
    assert cache.of_caller("key_b").pop("call_1", None) == "of b"
    assert (cache.of_caller("key_a").get("call_1"), cache.of_caller("key_b").get("call_1")) == ("of a", None)


def test_a_caller_without_an_identity_finds_nothing_again() -> None:
    cache = ReasoningStateCache(MIB)
    cache.of_caller(None)["call_1"] = "signature"
    assert cache.of_caller(None).get("call_1") is None


def test_three_thousand_turns_with_long_thinking_stay_within_the_limit() -> None:
    cache = ReasoningStateCache(32 * MIB)
    state = cache.of_caller("key_a")
    tracemalloc.start()
    try:
        for number in range(3_000):
            state[f"toolu_{number:024}"] = bytes(60_000)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 30 * MIB < kept < 33 * MIB
    assert state.get(f"toolu_{2_999:024}") is not None
    assert state.get(f"toolu_{0:024}") is None


def test_short_entries_are_counted_with_what_stands_around_them() -> None:
    cache = ReasoningStateCache(MIB)
    state = cache.of_caller("key_a")
    tracemalloc.start()
    try:
        for number in range(20_000):
            state[f"call_{number:019}"] = f"{number:020}"
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < MIB


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache = ReasoningStateCache(10_000)
    state = cache.of_caller("key_a")
    state["small"] = "s"
    state["large"] = "l" * 10_000
    assert (state.get("small"), state.get("large")) == ("s", None)


def test_a_cache_of_zero_bytes_keeps_nothing() -> None:
    state = ReasoningStateCache(0).of_caller("key_a")
    state["call_1"] = "s"
    assert ReasoningStateCache(0).of_caller("key_a").get("call_1") is None
