"""What a stream of OpenAI's chunks must look like, as one independent validator for every test that reads streams.

Rules: wire-gemini §4.3–4.4, wire-anthropic §4.2–4.3, and what the official client's accumulator needs (openai 3.54.0).
"""

from collections.abc import Sequence
from typing import Any

_ONCE = ("role", "annotations", "extra_content", "anthropic_content")


def check(chunks: Sequence[Any], *, include_usage: bool = False, n: int = 1) -> None:
    """Raise AssertionError with a sentence for the first rule that is broken. `chunks` are decoded events and "[DONE]"."""
    assert chunks, "a stream has at least one event"
    if isinstance(chunks[-1], dict) and "error" in chunks[-1]:
        _check_error(chunks[-1])
        body = list(chunks[:-1])
        ended = False
    else:
        assert chunks[-1] == "[DONE]", "a stream ends with [DONE] or with an error"
        body = list(chunks[:-1])
        ended = True
    assert all(isinstance(chunk, dict) and "error" not in chunk for chunk in body), "errors and [DONE] come last only"
    usage = body.pop() if ended and include_usage else None
    _check_heads([*body, *([usage] if usage else [])])
    if usage is not None:
        assert usage["choices"] == [], "the usage chunk has no choices"
        _check_usage(usage["usage"])
    for chunk in body:
        assert len(chunk["choices"]) == 1, "each chunk has one choice"
        if include_usage:
            assert chunk.get("usage", "absent") is None, "usage is null before its chunk"
        else:
            assert "usage" not in chunk, "there is no usage where none was asked for"
    choices = [chunk["choices"][0] for chunk in body]
    if choices:
        assert choices[0]["index"] == 0, "the first chunk is of choice 0"
    for index in {choice["index"] for choice in choices}:
        assert 0 <= index < n, "indexes are those of the choices asked for"
        _check_choice([choice for choice in choices if choice["index"] == index], ended=ended)


def _check_error(event: dict[str, Any]) -> None:
    assert list(event) == ["error"], "an error stands alone"
    assert set(event["error"]) == {"message", "type", "param", "code"}, "an error has OpenAI's four members"
    assert event["error"]["message"], "an error says something"


def _check_heads(chunks: Sequence[dict[str, Any]]) -> None:
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk", "chunks say what they are"
        assert chunk["id"].startswith("chatcmpl-"), "ids look like OpenAI's"
    for name in ("id", "created", "model"):
        assert len({chunk[name] for chunk in chunks}) <= 1, f"all chunks share {name}"


def _check_usage(usage: dict[str, Any]) -> None:
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"], "usage adds up"
    details = usage.get("completion_tokens_details") or {}
    assert (details.get("reasoning_tokens") or 0) <= usage["completion_tokens"], "reasoning is part of the completion"


def _check_choice(choices: Sequence[dict[str, Any]], *, ended: bool) -> None:
    deltas = [choice["delta"] for choice in choices]
    reasons = [choice["finish_reason"] for choice in choices]
    assert deltas[0].get("role") == "assistant", "the first chunk of a choice tells the role"
    for name in _ONCE:
        assert sum(name in delta for delta in deltas) <= 1, f"{name} comes once: clients would add it up"
    if ended:
        assert reasons[-1] in ("stop", "length", "tool_calls", "content_filter", "function_call"), "a choice ends with its reason"
        assert deltas[-1] == {}, "the finish chunk is empty"
        reasons = reasons[:-1]
    assert all(reason is None for reason in reasons), "there is one finish reason, in the last chunk"
    for choice in choices:
        assert "logprobs" in choice, "logprobs are null where there are none"
    _check_calls([call for delta in deltas for call in delta.get("tool_calls", [])])
    for name in ("images", "thinking_blocks"):
        indexes = [item["index"] for delta in deltas for item in delta.get(name, [])]
        assert indexes == list(range(len(indexes))), f"{name} are numbered densely"
    for delta in deltas:
        assert delta.get("content", "") != "" or "role" in delta or "content" not in delta, "no empty text but with the role"


def _check_calls(calls: Sequence[dict[str, Any]]) -> None:
    begun = 0
    for call in calls:
        if call["index"] == begun:
            begun += 1
            kind = call["type"]
            assert call["id"], "a call begins with its id"
            assert call[kind]["name"], "a call begins with its name"
        else:
            assert call["index"] < begun, "calls are numbered densely"
            assert set(call) <= {"index", "function"}, "id and type come once: clients would add them up"
            assert set(call["function"]) == {"arguments"}, "later pieces hold arguments only"
