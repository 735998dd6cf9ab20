"""Ids of tool calls: how long they may be, and how much reasoning state they may bring."""

import os
from typing import Any

import pytest

from chromagent.errors import InvalidRequest
from chromagent.translators import budget, sealing
from chromagent.translators.anthropic import thinking
from chromagent.translators.protocol import Translation
from tests.support import translating

USER: dict[str, Any] = {"role": "user", "content": "x"}
MAKERS = pytest.mark.parametrize("make", [translating.gemini, translating.anthropic], ids=["gemini", "claude"])


def conversation(*ids: str) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = [USER]
    for identifier in ids:
        call = {"id": identifier, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        turns += [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": identifier, "content": "y"}]
    return turns


def sealed_thinking(number: int, letters: str) -> str:
    block: Any = {"type": "thinking", "thinking": letters, "signature": "U0lH"}
    return sealing.seal(f"toolu_{number}", "claude", thinking.pack([block]))


def thoughts(translation: Translation) -> list[str]:
    blocks = [block for message in translation.body["messages"] for block in message["content"]]
    return [block["thinking"] for block in blocks if block["type"] == "thinking"]


def test_a_sealed_id_is_taken_apart_at_its_first_mark() -> None:
    assert sealing.unseal("a__cg1_google_U0-_", "google") == ("a", "U0+/")
    assert sealing.unseal("a__cg1_google_U0lH", "claude") == ("a", None)
    assert sealing.unseal("a__cg1_google_U0__cg1_google_U0lH", "google") == ("a", "U0//cg1/google/U0lH=")
    assert sealing.unseal("a__cg1_google_U.", "google") == ("a__cg1_google_U.", None)


@MAKERS
def test_an_id_of_4096_characters_is_taken(make: Any) -> None:
    assert make(messages=conversation("a" * 4096)).body


@MAKERS
def test_a_longer_id_is_a_400_that_names_it(make: Any) -> None:
    with pytest.raises(InvalidRequest, match="at most 4096 characters") as refused:
        make(messages=conversation("a" * 4097))
    assert refused.value.param in ("messages[1].tool_calls[0].id", "messages.[1].tool_calls.[0].id")
    turns = conversation("a")
    turns[2]["tool_call_id"] = "a" * 4097
    with pytest.raises(InvalidRequest, match="at most 4096 characters") as refused:
        make(messages=turns)
    assert refused.value.param in ("messages[2].tool_call_id", "messages.[2].tool_call_id")


def test_long_thinking_comes_back_out_of_ids() -> None:
    texts = [os.urandom(30_000).hex() for _ in range(10)]  # 600 kB, which shrink to a half
    translation = translating.anthropic(messages=conversation(*[sealed_thinking(n, text) for n, text in enumerate(texts)]))
    assert thoughts(translation) == texts
    assert translation.ignored == []


def test_state_that_is_far_larger_than_its_id_is_left_out_and_named() -> None:
    texts = ["a" * 100_000] * 5  # a few hundred bytes each in the request
    translation = translating.anthropic(messages=conversation(*[sealed_thinking(n, text) for n, text in enumerate(texts)]))
    assert thoughts(translation) == texts[: budget.STATE_BASE // 100_000]
    assert translation.ignored == ["tool_calls.id"]


@pytest.mark.parametrize("count", [3, 1200])
def test_names_that_shorten_to_the_same_are_numbered(count: int) -> None:
    calls = [{"id": f"a{n}", "type": "function", "function": {"name": "n" * 64 + str(n), "arguments": "{}"}} for n in range(count)]
    body = translating.gemini(messages=[USER, {"role": "assistant", "tool_calls": calls}, USER]).body
    names = [part["functionCall"]["name"] for part in body["contents"][1]["parts"]]
    assert names[:3] == ["n" * 64, "n" * 60 + "_2", "n" * 60 + "_3"]
    assert len(set(names)) == count
    assert all(len(name) <= 64 for name in names)
