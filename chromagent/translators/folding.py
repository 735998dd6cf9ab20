"""Deltas → one completion. Hides how a message is put together.

Every wire format reads a whole answer with the reader of its streams and folds what comes out, so that the two are equal by
construction. Shapes: openai 3.54.0, `ChatCompletion`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from chromagent.codec import JsonObject
from chromagent.translators.protocol import Delta, Head

_TEXTS: Final = frozenset({"content", "refusal", "reasoning_content", "reasoning"})
_SPOKEN: Final = frozenset({"audio", "function_call"})
"""Members that stand for content."""
_LISTS: Final = frozenset({"annotations", "images", "thinking_blocks", "anthropic_content"})
_NUMBERED: Final = frozenset({"thinking_blocks", "anthropic_content"})
"""Lists whose items carry an `index` in chunks only, for clients that accumulate."""
_GROWING: Final = frozenset({"arguments", "input", "data", "transcript"})
"""Members of calls and of audio whose pieces are joined; every other member comes once."""


def fold(head: Head, deltas: Sequence[Delta], usage: JsonObject, *, choices: int = 1, silence: str | None = "") -> JsonObject:
    """Return OpenAI's completion, with every choice that has a finish reason in `deltas`.

    `choices` is how many there may be; `silence` is the content of a message without text and without anything else.
    """
    folded = [_Choice(silence) for _ in range(choices)]
    for delta in deltas:
        folded[delta.choice].add(delta)
    completion: JsonObject = {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [choice.finish(index) for index, choice in enumerate(folded) if choice.finish_reason is not None],
        "usage": usage,
        "system_fingerprint": None,
    }
    if head.service_tier is not None:
        completion["service_tier"] = head.service_tier
    return completion


class _Choice:
    """One choice on its way."""

    finish_reason: str | None = None
    _logprobs: JsonObject | None = None

    def __init__(self, silence: str | None) -> None:
        self._silence = silence
        self._texts: dict[str, list[str]] = {}
        self._members: JsonObject = {}
        self._calls: list[JsonObject] = []

    def add(self, delta: Delta) -> None:
        """Take one delta."""
        for name, value in delta.delta.items():
            if name in _TEXTS:
                if value:
                    self._texts.setdefault(name, []).append(value)
            elif name == "tool_calls":
                for call in value:
                    self._add_call(call)
            elif name in _LISTS:
                items = [_without_index(item) for item in value] if name in _NUMBERED else value
                self._members.setdefault(name, []).extend(items)
            elif isinstance(value, dict):
                _merge(self._members.setdefault(name, {}), cast("JsonObject", value))
        if delta.logprobs is not None:
            self._add_logprobs(delta.logprobs)
        self.finish_reason = delta.finish_reason or self.finish_reason

    def finish(self, index: int) -> JsonObject:
        """Return the choice as OpenAI writes it."""
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        message: JsonObject = {
            "role": "assistant",
            "content": texts.pop("content") if "content" in texts else self._content_of_none(texts),
            "refusal": texts.pop("refusal", None),
            **texts,
            **self._members,
        }
        if self._calls:
            message["tool_calls"] = self._calls
        return {"index": index, "message": message, "logprobs": self._logprobs, "finish_reason": self.finish_reason}

    def _content_of_none(self, texts: Mapping[str, str]) -> str | None:
        spoken = self._calls or texts.get("refusal") or not _SPOKEN.isdisjoint(self._members)
        return None if spoken else self._silence

    def _add_call(self, call: JsonObject) -> None:
        index: int = call["index"]
        if index == len(self._calls):
            self._calls.append({})
        _merge(self._calls[index], _without_index(call))

    def _add_logprobs(self, logprobs: JsonObject) -> None:
        if self._logprobs is None:
            self._logprobs = {"content": [], "refusal": None}
        self._logprobs["content"] += logprobs["content"]


def _without_index(item: JsonObject) -> JsonObject:
    return {name: value for name, value in item.items() if name != "index"}


def _merge(target: JsonObject, source: JsonObject) -> None:
    for name, value in source.items():
        known = target.get(name)
        if isinstance(value, dict):
            inner: JsonObject = target.setdefault(name, {})
            _merge(inner, cast("JsonObject", value))
        elif name in _GROWING and isinstance(known, str):
            target[name] = known + value
        else:
            target[name] = value
