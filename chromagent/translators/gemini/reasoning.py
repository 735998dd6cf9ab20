"""What a client asks of reasoning → `thinkingConfig`. Hides the dialects of the question and the families of the answer.

Source: wire-gemini §2.11. Families think by level, by token budget, only when explicitly asked, or never.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.gemini.parameters import EFFORTS
from chromagent.translators.gemini.profiles import ALL_LEVELS, Profile

_LEVEL_OF: Final = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "XHIGH", "max": "XHIGH"}
_NEXT_LEVEL: Final = {"MINIMAL": "LOW", "MEDIUM": "HIGH", "XHIGH": "HIGH"}
_BUDGET_OF: Final = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576}
_LEVEL_BUDGET: Final = {"MINIMAL": 512, "LOW": 1024, "MEDIUM": 8192, "HIGH": 24_576, "XHIGH": 24_576}


class Wish(msgspec.Struct, frozen=True):
    """What the client asked for; None where it said nothing."""

    effort: str | None = None
    level: str | None = None
    budget: int | None = None
    include: bool | None = None
    field: str = "reasoning_effort"
    """The request's field that said how much."""


_DIALECTS: Final = frozenset({"reasoning_effort", "thinking_config", "reasoning", "thinking", "include_reasoning"})
_NO_WISH: Final = Wish(field="thinking")


def read_wish(request: Mapping[str, JsonValue], google: JsonObject) -> Wish:
    """Read all dialects; the first source that says how much to think wins. Raises `InvalidRequest`."""
    if not google and _DIALECTS.isdisjoint(request):
        return _NO_WISH
    level, budget, include = _read_thinking_config(request, google)
    effort = request.get("reasoning_effort")
    effort = "none" if effort == "disable" else effort
    if effort is not None and (level is not None or budget is not None):
        raise InvalidRequest(
            "'reasoning_effort' and a thinking level or budget exclude each other.",
            param="reasoning_effort",
            code="invalid_parameter_combination",
        )
    field = "reasoning_effort" if effort is not None else "thinking_config"
    if level is None and budget is None and effort is None:
        field = "reasoning" if request.get("reasoning") is not None else "thinking"
        effort, budget, include = _read_other_dialects(request, include)
    if request.get("include_reasoning") is False and include is None:
        include = False
    return Wish(effort, level, budget, include, field)


def _read_thinking_config(request: Mapping[str, JsonValue], google: JsonObject) -> tuple[str | None, int | None, bool | None]:
    here = Place(("extra_body", "google", "thinking_config"))
    found = google.get("thinking_config", google.get("thinkingConfig"))
    if found is None:
        here, found = Place(("thinking_config",)), request.get("thinking_config")
    if found is None:
        return None, None, None
    given = {_snake(name): value for name, value in reading.mapping(found, here).items()}
    level = reading.optional(given, "thinking_level", reading.text, here)
    budget = reading.optional(given, "thinking_budget", reading.integer, here)
    if level is not None and budget is not None:
        raise InvalidRequest(
            "A thinking level and a budget exclude each other.", param=str(here), code="invalid_parameter_combination"
        )
    if level is not None and level.upper().removeprefix("THINKING_LEVEL_") not in ALL_LEVELS:
        raise wrong_value(here.at("thinking_level"), f"'thinking_level' must be one of {', '.join(ALL_LEVELS).lower()}.")
    level = level.upper().removeprefix("THINKING_LEVEL_") if level else None
    return level, budget, reading.optional(given, "include_thoughts", reading.boolean, here)


def _read_other_dialects(request: Mapping[str, JsonValue], include: bool | None) -> tuple[str | None, int | None, bool | None]:
    """Read `reasoning` (OpenRouter's) and `thinking` (Anthropic's)."""
    if (reasoning := request.get("reasoning")) is not None:
        here = Place(("reasoning",))
        given = reading.mapping(reasoning, here)
        effort = reading.optional(given, "effort", reading.text, here)
        if effort is not None and effort not in EFFORTS:
            raise wrong_value(here.at("effort"), f"'effort' must be one of {', '.join(EFFORTS)}.")
        if given.get("enabled") is False or effort == "disable":
            effort = "none"
        if given.get("exclude") is True and include is None:
            include = False
        return effort, reading.optional(given, "max_tokens", reading.integer, here) if effort is None else None, include
    if (thinking := request.get("thinking")) is not None:
        here = Place(("thinking",))
        given = reading.mapping(thinking, here)
        if given.get("type") == "disabled":
            return "none", None, include
        return None, reading.optional(given, "budget_tokens", reading.integer, here), include
    return None, None, include


def thinking_config(
    wish: Wish, profile: Profile, *, policy: str, most_tokens: int | None, repairs: frozenset[str]
) -> JsonObject | None:
    """Return `thinkingConfig`, or None where it is left out. `policy` is auto, always or never: whether thoughts are shown."""
    if profile.thinking == "never" or "thinking" in repairs:
        return None
    config: JsonObject = {}
    if profile.thinking == "budget":
        config |= _budget(wish, profile, most_tokens)
    elif profile.thinking == "level":
        config |= _level(wish, profile, repairs)
    else:
        config |= _as_asked(wish)
    include = _include(wish, profile, policy, config)
    if include is not None:
        config["includeThoughts"] = include
    return config or None


def _include(wish: Wish, profile: Profile, policy: str, config: JsonObject) -> bool | None:
    if wish.include is not None:
        return wish.include
    if wish.effort == "none":
        return False if profile.thinking in ("level", "budget") else None
    if policy == "never" or (profile.thinking == "asked" and policy != "always"):
        return None
    return None if config.get("thinkingBudget") == 0 else True


def _level(wish: Wish, profile: Profile, repairs: frozenset[str]) -> JsonObject:
    if wish.budget is not None:
        return {"thinkingBudget": wish.budget}
    level = wish.level
    if wish.effort == "none":
        level = profile.levels[0]
    elif wish.effort is not None:
        level = _LEVEL_OF[wish.effort]
        while level not in profile.levels:
            level = _NEXT_LEVEL[level]
    if "level:*" in repairs:
        return {}
    while level is not None and f"level:{level}" in repairs:
        level = _NEXT_LEVEL.get(level)
    return {} if level is None else {"thinkingLevel": level}


def _budget(wish: Wish, profile: Profile, most_tokens: int | None) -> JsonObject:
    low, high = profile.budgets
    budget = wish.budget
    if wish.level is not None:
        budget = _LEVEL_BUDGET[wish.level]
    elif wish.effort == "none":
        budget = 0
    elif wish.effort is not None:
        budget = _BUDGET_OF.get(wish.effort, high)
    if budget is None:
        return {}
    if budget < 0:
        return {"thinkingBudget": -1}
    if budget == 0 and profile.can_stop_thinking:
        return {"thinkingBudget": 0}
    if most_tokens is not None:
        budget = min(budget, most_tokens * 3 // 4)
    return {"thinkingBudget": max(low, min(budget, high))}


def _as_asked(wish: Wish) -> JsonObject:
    """Families without a known control get exactly what was said, in Google's words."""
    if wish.budget is not None:
        return {"thinkingBudget": wish.budget}
    if wish.effort == "none":
        return {"thinkingBudget": 0}
    level = wish.level or (_LEVEL_OF[wish.effort] if wish.effort is not None else None)
    return {} if level is None else {"thinkingLevel": level}


def is_weaker(wish: Wish, profile: Profile, config: JsonObject | None) -> bool:
    """Say whether the model will think in another measure than was asked for."""
    sent = config or {}
    if wish.effort == "none":
        return profile.thinking == "level" or (profile.thinking == "budget" and sent.get("thinkingBudget") != 0)
    if profile.thinking != "level":
        return False
    wanted = wish.level or (_LEVEL_OF[wish.effort] if wish.effort is not None else None)
    return wanted is not None and sent.get("thinkingLevel") != wanted


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
