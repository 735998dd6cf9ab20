"""What a client asks of reasoning → `thinking` and effort. Hides the dialects of the question and what each family of models takes.

Source: wire-anthropic §2.8.
"""

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from chromagent.codec import JsonObject, JsonValue
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.anthropic.parameters import EFFORTS
from chromagent.translators.anthropic.profiles import Profile
from chromagent.translators.lenient import as_object, member

LEAST_BUDGET: Final = 1024
_BUDGET_OF: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 32_768}
_ORDER: Final = ("low", "medium", "high", "xhigh", "max")
_STRONGEST: Final = ("xhigh", "max")


class Wish(msgspec.Struct, frozen=True):
    """What the client asked for; None where it said nothing."""

    effort: str | None = None
    budget: int | None = None
    thinking: JsonObject | None = None
    """Anthropic's own field, as the client wrote it."""
    output_effort: str | None = None
    """`output_config.effort`, which replaces the computed one."""
    hidden: bool = False
    field: str = "reasoning_effort"


_DIALECTS: Final = frozenset({"reasoning_effort", "reasoning", "include_reasoning", "thinking", "output_config"})
_NOTHING: Final = Wish()


class Plan(msgspec.Struct):
    """What is sent."""

    thinking: JsonObject | None = None
    effort: str | None = None
    downgraded: list[str] = []
    on: bool = False
    """The model will think."""

    @property
    def manual(self) -> bool:
        """It thinks by a budget, which excludes more than adaptive thinking does."""
        return self.thinking is not None and self.thinking.get("type") == "enabled"


def read_wish(request: Mapping[str, JsonValue]) -> Wish:
    """Read all dialects; `reasoning_effort` wins. Raises `InvalidRequest`."""
    if _DIALECTS.isdisjoint(request):
        return _NOTHING
    place = Place(("reasoning",), dotted=True)
    reasoning = reading.optional(cast("JsonObject", request), "reasoning", reading.mapping, Place()) or {}
    effort, budget, name = request.get("reasoning_effort"), None, "reasoning_effort"
    if effort is None and reasoning:
        name = "reasoning"
        effort = reading.optional(reasoning, "effort", reading.text, place)
        if effort is not None and effort not in EFFORTS:
            raise wrong_value(place.at("effort"), f"'effort' must be one of {', '.join(EFFORTS)}.")
        if reasoning.get("enabled") is False:
            effort = "none"
        budget = reading.optional(reasoning, "max_tokens", reading.integer, place) if effort is None else None
    thinking = reading.optional(cast("JsonObject", request), "thinking", reading.mapping, Place())
    if thinking is not None:
        name = "thinking"
    output = reading.optional(cast("JsonObject", request), "output_config", reading.mapping, Place()) or {}
    output_effort = reading.optional(output, "effort", reading.text, Place(("output_config",), dotted=True))
    if output_effort is not None and output_effort not in _ORDER:
        raise wrong_value(Place(("output_config", "effort"), dotted=True), f"'effort' must be one of {', '.join(_ORDER)}.")
    hidden = reasoning.get("exclude") is True or request.get("include_reasoning") is False
    return Wish(effort, budget, thinking, output_effort, hidden, name)


def plan(wish: Wish, profile: Profile, *, limit: int, display: str) -> Plan:
    """Decide what to send. `limit` is the request's `max_tokens`."""
    made = Plan()
    shown = "omitted" if wish.hidden else display
    if profile.thinking == "never":
        return made
    if wish.thinking is not None:
        _as_given(made, wish, profile, limit, shown)
    elif profile.thinking == "manual":
        _manually(made, wish, profile, limit)
    elif wish.effort is None and wish.budget is None:
        if profile.thinks_by_default:
            made.thinking = {"type": "adaptive", "display": shown}
    elif wish.effort == "none":
        _switched_off(made, profile, shown, wish.field)
    else:
        made.thinking = {"type": "adaptive", "display": shown}
        made.effort = _strongest(profile, wish.effort or _effort_of(wish.budget or 0))
    _apply_output_effort(made, wish, profile, shown)
    made.on = made.thinking is not None and made.thinking.get("type") in ("enabled", "adaptive")
    return made


def _manually(made: Plan, wish: Wish, profile: Profile, limit: int) -> None:
    if wish.effort == "none" or (wish.effort is None and wish.budget is None):
        return
    wanted = wish.budget if wish.budget is not None else _BUDGET_OF[wish.effort or "medium"]
    _enable(made, wanted, limit, wish.field)
    if made.thinking is not None and profile.efforts:
        made.effort = _strongest(profile, wish.effort or _effort_of(wanted))


def _enable(made: Plan, wanted: int, limit: int, name: str) -> None:
    """Think by a budget below the limit; too little for thinking is none at all."""
    budget = min(wanted, limit * 4 // 5)
    if budget < LEAST_BUDGET and wanted >= LEAST_BUDGET:
        made.downgraded.append(name)
    elif budget < LEAST_BUDGET:
        _enable(made, LEAST_BUDGET, limit, name)
    else:
        made.thinking = {"type": "enabled", "budget_tokens": budget}


def _switched_off(made: Plan, profile: Profile, display: str, name: str) -> None:
    if not profile.thinks_by_default:
        return
    if profile.off in ("disabled", "between_tools"):
        made.thinking = {"type": profile.off}
        return
    made.thinking = {"type": "adaptive", "display": display}
    made.effort = "low"
    made.downgraded.append(name)


def _as_given(made: Plan, wish: Wish, profile: Profile, limit: int, display: str) -> None:
    """Send the client's own field, changed only where it is certain to be refused."""
    given = as_object(wish.thinking)
    kind = given.get("type")
    if kind == "disabled":
        if profile.thinking == "adaptive":
            _switched_off(made, profile, display, "thinking")
        return
    if kind == "between_tools":
        made.thinking = {"type": "between_tools"}
        return
    budget = given.get("budget_tokens")
    if profile.thinking == "manual":
        fallback = _BUDGET_OF.get(wish.effort or "medium", _BUDGET_OF["medium"])
        _enable(made, budget if isinstance(budget, int) else fallback, limit, "thinking")
        return
    adaptive_only = profile.sampling == "none"
    if kind == "enabled" and not adaptive_only and isinstance(budget, int):
        _enable(made, budget, limit, "thinking")
        return
    if kind == "enabled":
        made.effort = _strongest(
            profile, wish.effort if wish.effort in _BUDGET_OF else _effort_of(budget if isinstance(budget, int) else 0)
        )
        made.thinking = {"type": "adaptive", "display": display}
        return
    made.thinking = {**given, "display": given.get("display", display)} if kind == "adaptive" else given
    if wish.effort is not None and wish.effort != "none":
        made.effort = _strongest(profile, wish.effort)


def _apply_output_effort(made: Plan, wish: Wish, profile: Profile, display: str) -> None:
    if wish.output_effort is None:
        return
    if not profile.efforts:
        made.downgraded.append("output_config")
        return
    effort = _strongest(profile, wish.output_effort)
    off = made.thinking is not None and made.thinking.get("type") in ("disabled", "between_tools")
    if off and effort in _STRONGEST:
        effort = "high"
    if effort != wish.output_effort:
        made.downgraded.append("output_config")
    made.effort = effort
    if effort in _STRONGEST and made.thinking is None:
        made.thinking = {"type": "adaptive", "display": display}


def _strongest(profile: Profile, wanted: str | None) -> str | None:
    """Return the strongest effort of the model that is not above what was asked for."""
    if not profile.efforts:
        return None
    wanted = "low" if wanted == "minimal" else wanted or "medium"
    possible = [effort for effort in profile.efforts if _ORDER.index(effort) <= _ORDER.index(wanted)]
    return possible[-1] if possible else profile.efforts[0]


def _effort_of(budget: int) -> str:
    for effort, most in (("low", 2048), ("medium", 8192), ("high", 24_576)):
        if budget <= most:
            return effort
    return "xhigh"


def is_weaker(wish: Wish, made: Plan) -> bool:
    """Say whether the strongest effort of the model is below what was asked for."""
    asked = "low" if wish.effort == "minimal" else wish.effort
    return asked in _ORDER and made.effort is not None and made.effort != asked and wish.output_effort is None


def asked_format(request: Mapping[str, JsonValue]) -> JsonObject:
    """Return `output_config.format`, which counts where there is no `response_format`; empty where it is not given."""
    return member(as_object(request["output_config"]), "format") if "output_config" in request else {}
