"""What becomes of each request field on Gemini: the table that the translator obeys and the documentation shows.

Source: wire-gemini §2.1.
"""

from collections.abc import Callable
from typing import Final

from chromagent.codec import JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.gemini.profiles import Profile
from chromagent.translators.parameters import Parameter, ParameterTable, typed
from chromagent.translators.protocol import Disposition

Check = Callable[[JsonValue], InvalidRequest | None]

EFFORTS: Final = ("none", "disable", "minimal", "low", "medium", "high", "xhigh", "max")
MOST_CHOICES: Final = 8


def _between(name: str, low: float, high: float, *, kind: str = "decimal") -> Check:
    def check(value: JsonValue) -> InvalidRequest | None:
        if value > high:
            return wrong_value(Place((name,)), f"'{name}' must be at most {high:g}.", f"{kind}_above_max_value")
        if value < low:
            return wrong_value(Place((name,)), f"'{name}' must be at least {low:g}.", f"{kind}_below_min_value")
        return None

    return check


def _one_of(name: str, *values: str) -> Check:
    def check(value: JsonValue) -> InvalidRequest | None:
        return None if value in values else wrong_value(Place((name,)), f"'{name}' must be one of {', '.join(values)}.")

    return check


def _check_metadata(value: JsonValue) -> InvalidRequest | None:
    place = Place(("metadata",))
    if len(value) > 16:
        return wrong_value(place, "'metadata' may hold at most 16 pairs.", "object_above_max_properties")
    for key, text in value.items():
        if not isinstance(text, str):
            return wrong_value(place.at(key), "Values of 'metadata' are strings.", "invalid_type")
        if len(key) > 64 or len(text) > 512:
            return wrong_value(place.at(key[:64]), "A pair of 'metadata' is too long.", "string_above_max_length")
    return None


def _is(*values: JsonValue) -> Callable[[JsonValue], bool]:
    return lambda value: value in values


def _sampled(profile: Profile) -> Disposition:
    return "mapped" if profile.samples else "ignored"


def _penalised(profile: Profile) -> Disposition:
    return "rejected" if profile.generation >= 3 else "mapped"


def _reasoned(profile: Profile) -> Disposition:
    return "ignored" if profile.thinking == "never" else "mapped"


def _row(
    name: str,
    disposition: Disposition | Callable[[Profile], Disposition] = "mapped",
    reason: str = "",
    **more: Check | Callable[[JsonValue], bool],
) -> Parameter[Profile]:
    return Parameter(name, disposition, reason, **more)  # pyright: ignore[reportArgumentType] - `more` is checks and neutral values


_NO_SAMPLING: Final = "The model decides for itself how to sample."
_NO_PENALTY: Final = "Penalties are not enabled for this model."
_NOTHING_STORED: Final = "Nothing is stored, so there is nothing to find later."
_NOT_PASSED_ON: Final = "It identifies your users to OpenAI and never leaves the gateway."
_CACHES_BY_ITSELF: Final = "Gemini caches by itself; use `cached_content` for explicit caches."

TABLE: Final = ParameterTable[Profile](
    [
        _row("messages"),
        _row("model"),
        _row("audio"),
        _row("frequency_penalty", _penalised, _NO_PENALTY, neutral=_is(0), check=_between("frequency_penalty", -2, 2)),
        _row("function_call"),
        _row("functions"),
        _row("logit_bias", "rejected", "Its tokens are those of another tokenizer.", neutral=_is({})),
        _row("logprobs", neutral=_is(False)),
        _row("max_completion_tokens", check=_between("max_completion_tokens", 1, float("inf"), kind="integer")),
        _row("max_tokens", check=_between("max_tokens", 1, float("inf"), kind="integer")),
        _row("metadata", "ignored", _NOTHING_STORED, neutral=_is({}), check=_check_metadata),
        _row("modalities"),
        _row("moderation", "rejected", "The gateway cannot moderate, and a safety request must not be skipped silently."),
        _row("n", check=_between("n", 1, MOST_CHOICES, kind="integer")),
        _row("parallel_tool_calls"),
        _row("prediction", "ignored", "It only hints at latency."),
        _row("presence_penalty", _penalised, _NO_PENALTY, neutral=_is(0), check=_between("presence_penalty", -2, 2)),
        _row("prompt_cache_key", "ignored", _CACHES_BY_ITSELF),
        _row("prompt_cache_options", "ignored", _CACHES_BY_ITSELF),
        _row("prompt_cache_retention", "ignored", _CACHES_BY_ITSELF),
        _row("reasoning_effort", _reasoned, "This model does not reason.", check=_one_of("reasoning_effort", *EFFORTS)),
        _row("response_format"),
        _row("safety_identifier", "ignored", _NOT_PASSED_ON),
        _row("seed"),
        _row("service_tier", check=_one_of("service_tier", "auto", "default", "flex", "scale", "priority", "fast")),
        _row("stop"),
        _row("store", "ignored", _NOTHING_STORED, neutral=_is(False)),
        _row("stream"),
        _row("stream_options"),
        _row("temperature", _sampled, _NO_SAMPLING, neutral=_is(1), check=_between("temperature", 0, 2)),
        _row("tool_choice"),
        _row("tools"),
        _row("top_logprobs", check=_between("top_logprobs", 0, 20, kind="integer")),
        _row("top_p", _sampled, _NO_SAMPLING, neutral=_is(1), check=_between("top_p", 0, 1)),
        _row("user", "ignored", _NOT_PASSED_ON),
        _row(
            "verbosity",
            "ignored",
            "There is no such control.",
            neutral=_is("medium"),
            check=_one_of("verbosity", "low", "medium", "high"),
        ),
        _row("web_search_options"),
        _row("top_k", _sampled, _NO_SAMPLING, check=typed("top_k", reading.integer)),
        _row("reasoning", _reasoned, check=typed("reasoning", reading.mapping)),
        _row("thinking", _reasoned, check=typed("thinking", reading.mapping)),
        _row("thinking_config", _reasoned, check=typed("thinking_config", reading.mapping)),
        _row("include_reasoning", _reasoned, check=typed("include_reasoning", reading.boolean)),
        _row("safety_settings", check=typed("safety_settings", reading.array)),
        _row("cached_content", check=typed("cached_content", reading.text)),
        _row("labels", check=typed("labels", reading.mapping)),
        _row("extra_body", check=typed("extra_body", reading.mapping)),
        _row("google", check=typed("google", reading.mapping)),
    ]
)
