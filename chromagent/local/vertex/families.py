"""What each model family accepts, as far as requests are refused for it. Sources: wire-gemini §1.8, wire-anthropic §1.7."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class GeminiFamily:
    """One family of Gemini models."""

    generation: float
    levels: tuple[str, ...] = ()
    budgets: tuple[int, int] | None = None
    prefill: bool = True
    signs: bool = False
    draws: bool = False
    speaks: bool = False


@dataclass(frozen=True)
class ClaudeFamily:
    """One family of Claude models."""

    name: str
    output: int = 128_000
    manual: bool = False
    adaptive: bool = True
    off: tuple[str, ...] = ("disabled",)
    default_on: bool = False
    efforts: tuple[str, ...] = ("low", "medium", "high", "xhigh", "max")
    sampling: str = "none"
    prefill: bool = False
    forced: bool = True
    system: bool = False
    binds: bool = False


_LMH: Final = ("LOW", "MEDIUM", "HIGH")
_MLMH: Final = ("MINIMAL", *_LMH)
_GEMINI: Final = (
    (r"gemini-2\.5-pro", GeminiFamily(2.5, budgets=(128, 32_768))),
    (r"gemini-2\.5-flash-lite", GeminiFamily(2.5, budgets=(0, 24_576))),
    (r"gemini-2\.5-flash", GeminiFamily(2.5, budgets=(0, 24_576))),
    (r"gemini-(1|2\.0)", GeminiFamily(2.0)),
    (r"gemini-3-pro", GeminiFamily(3.0, ("LOW", "HIGH"), signs=True)),
    (r"gemini-3\.1-pro", GeminiFamily(3.1, _LMH, signs=True)),
    (r"gemini-3\.5-flash-lite", GeminiFamily(3.5, _MLMH, prefill=False, signs=True)),
    (r"gemini-3-flash|gemini-3\.1-flash-lite|gemini-3\.5-flash", GeminiFamily(3.5, _MLMH, signs=True)),
    (r"gemini-3\.6-flash", GeminiFamily(3.6, _MLMH, prefill=False, signs=True)),
    (r"gemini-4-hydrogen", GeminiFamily(4.0, (*_LMH, "XHIGH"), prefill=False, signs=True)),
    (r"gemini-", GeminiFamily(4.0, _LMH, prefill=False, signs=True)),
)


def gemini_family(model: str) -> GeminiFamily | None:
    """Return the family of a model id; None for a model that does not exist."""
    if "-image" in model:
        return GeminiFamily(3.1, draws=True)
    if "-tts" in model:
        return GeminiFamily(3.8, speaks=True)
    return next((family for pattern, family in _GEMINI if re.match(pattern, model)), None)


def _old(name: str, output: int, efforts: tuple[str, ...] = ()) -> ClaudeFamily:
    return ClaudeFamily(name, output, manual=True, adaptive=False, efforts=efforts, sampling="one", prefill=True)


def _new(name: str, off: tuple[str, ...] = (), *, forced: bool = False, binds: bool = True) -> ClaudeFamily:
    return ClaudeFamily(name, off=off, default_on=True, forced=forced, system=True, binds=binds)


_CLAUDE: Final = (
    _old("claude-haiku-4-5", 64_000),
    _old("claude-sonnet-4-5", 64_000),
    _old("claude-opus-4-5", 64_000, ("low", "medium", "high")),
    ClaudeFamily("claude-sonnet-4-6", 64_000, manual=True, efforts=("low", "medium", "high", "max"), sampling="any"),
    ClaudeFamily("claude-opus-4-6", manual=True, efforts=("low", "medium", "high", "max"), sampling="any"),
    ClaudeFamily("claude-opus-4-7"),
    ClaudeFamily("claude-opus-4-8", system=True),
    _new("claude-sonnet-5-5", ("between_tools",)),
    _new("claude-haiku-5-5", ("disabled",), forced=True),
    _new("claude-opus-5-5"),
    _new("claude-fable-5-1"),
    _new("claude-fable-5-2"),
    ClaudeFamily("claude-sonnet-5", default_on=True),
    _new("claude-opus-5", ("disabled",), forced=True, binds=False),
    _new("claude-fable-5", forced=True, binds=False),
)
_DATED: Final = frozenset({"claude-haiku-4-5@20251001", "claude-sonnet-4-5@20250929", "claude-opus-4-5@20251101"})


def claude_family(model: str) -> ClaudeFamily | None:
    """Return the family of a model id; None for one that Vertex AI does not have under that spelling."""
    name, at, version = model.partition("@")
    if at and model not in _DATED and version != "default":
        return None
    return next((family for family in _CLAUDE if family.name == name), None)
