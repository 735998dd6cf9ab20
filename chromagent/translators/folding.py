"""Deltas → one completion. Hides how a message is put together.

Every wire format reads a whole answer with the reader of its streams and folds what comes out, so that the two are equal by
construction. Shapes: openai 3.54.0, `ChatCompletion`.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

from chromagent.codec import JsonObject, JsonValue
from chromagent.translators.lenient import as_object
from chromagent.translators.protocol import Delta, Head

_TEXTS: Final = frozenset({"content", "refusal", "reasoning_content", "reasoning"})
_LISTS: Final = frozenset({"annotations", "images", "thinking_blocks"})
_GROWING: Final = frozenset({"arguments", "input", "data", "transcript"})
"""Members of calls and of audio whose pieces are joined; every other member comes once."""


def fold(head: Head, deltas: Sequence[Delta], usage: JsonObject, *, choices: int = 1) -> JsonObject:
    """Return OpenAI's completion. `choices` is the least number of choices; each has a finish reason in `deltas`."""
    folded = [_Choice() for _ in range(choices)]
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

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self._texts: dict[str, list[str]] = {}
        self._members: JsonObject = {}
        self._calls: list[JsonObject] = []
        self._logprobs: JsonObject | None = None

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
                self._members.setdefault(name, []).extend(value)
            elif isinstance(value, dict):
                _merge(self._members.setdefault(name, {}), cast("JsonObject", value))
        if delta.logprobs is not None:
            self._add_logprobs(delta.logprobs)
        self.finish_reason = delta.finish_reason or self.finish_reason

    def finish(self, index: int) -> JsonObject:
        """Return the choice as OpenAI writes it."""
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        silent = bool(self._calls) or texts.get("refusal") or self._members.keys() & {"audio", "function_call"}
        message: JsonObject = {
            "role": "assistant",
            "content": texts.pop("content", None if silent else ""),
            "refusal": texts.pop("refusal", None),
            **texts,
            **self._members,
        }
        if self._calls:
            message["tool_calls"] = self._calls
        return {"index": index, "message": message, "logprobs": self._logprobs, "finish_reason": self.finish_reason}

    def _add_call(self, call: JsonObject) -> None:
        members = {name: value for name, value in call.items() if name != "index"}
        if call["index"] == len(self._calls):
            self._calls.append({})
        _merge(self._calls[call["index"]], members)

    def _add_logprobs(self, logprobs: JsonObject) -> None:
        if self._logprobs is None:
            self._logprobs = {"content": [], "refusal": None}
        self._logprobs["content"] += logprobs["content"]


def _merge(target: dict[str, Any], source: JsonObject) -> None:
    value: JsonValue
    for name, value in source.items():
        known: JsonValue = target.get(name)
        if name in _GROWING and isinstance(known, str):
            target[name] = known + value
        elif isinstance(known, dict) and isinstance(value, dict):
            _merge(cast("JsonObject", known), cast("JsonObject", value))
        else:
            target[name] = dict(as_object(value)) if isinstance(value, dict) else value
