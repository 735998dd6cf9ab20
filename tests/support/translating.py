"""Short ways to a translation in tests."""

from typing import Any

from chromagent.schema import chat
from chromagent.translators.anthropic.options import AnthropicOptions
from chromagent.translators.anthropic.translator import AnthropicTranslator
from chromagent.translators.gemini.options import GeminiOptions
from chromagent.translators.gemini.translator import GeminiTranslator
from chromagent.translators.protocol import Call, Delta, StreamTranslator, Translation

GEMINI = "gemini-3.8-flash"
CLAUDE = "claude-sonnet-4-6"
HI: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]


def gemini(call: dict[str, Any] | None = None, options: dict[str, Any] | None = None, **request: Any) -> Translation:
    translator = GeminiTranslator(GeminiOptions(**(options or {})))
    return translator.request(_call(translator, {"model": GEMINI, "messages": HI, **request}, call))


def anthropic(call: dict[str, Any] | None = None, options: dict[str, Any] | None = None, **request: Any) -> Translation:
    translator = AnthropicTranslator(AnthropicOptions(**{"cache_policy": "never", **(options or {})}))
    return translator.request(_call(translator, {"model": CLAUDE, "messages": HI, **request}, call))


def _call(translator: GeminiTranslator | AnthropicTranslator, request: dict[str, Any], call: dict[str, Any] | None) -> Call:
    checked = chat.validate(request)
    model = translator.resolve(checked["model"], project="p", location="global")
    return Call(checked, model, "0123456789abcdef01234567", 1_795_392_000, project="p", **(call or {}))


def chunks(stream: StreamTranslator, deltas: list[Delta]) -> list[Any]:
    """Write deltas as the chunks that a client gets, the closing usage and [DONE] included."""
    head = stream.head
    base = {"id": head.id, "object": "chat.completion.chunk", "created": head.created, "model": head.model}
    written: list[Any] = [
        {
            **base,
            "choices": [
                {"index": delta.choice, "delta": delta.delta, "logprobs": delta.logprobs, "finish_reason": delta.finish_reason}
            ],
            "usage": None,
        }
        for delta in deltas
    ]
    return [*written, {**base, "choices": [], "usage": stream.usage}, "[DONE]"]
