"""What becomes of each request field on Claude: the table that the translator obeys and the documentation shows.

Source: wire-anthropic §2.2.
"""

from collections.abc import Callable
from typing import Final

from chromagent.codec import JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.anthropic.profiles import Profile
from chromagent.translators.parameters import Parameter, ParameterTable, typed
from chromagent.translators.protocol import Disposition

Check = Callable[[JsonValue], InvalidRequest | None]

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MOST_STOPS: Final = 4


def _between(name: str, low: float, high: float) -> Check:
    def check(value: JsonValue) -> InvalidRequest | None:
        if low <= value <= high:
            return None
        limits = f"at least {low:g}" if high == float("inf") else f"between {low:g} and {high:g}"
        return wrong_value(Place((name,)), f"'{name}' must be {limits}.")

    return check


def _one_of(name: str, *values: str) -> Check:
    def check(value: JsonValue) -> InvalidRequest | None:
        return None if value in values else wrong_value(Place((name,)), f"'{name}' must be one of {', '.join(values)}.")

    return check


def _check_metadata(value: JsonValue) -> InvalidRequest | None:
    if len(value) > 16 or any(not isinstance(text, str) for text in value.values()):
        return wrong_value(Place(("metadata",)), "'metadata' may hold at most 16 pairs of strings.")
    return None


def _check_modalities(value: JsonValue) -> InvalidRequest | None:
    if any(name != "text" for name in value):
        return wrong_value(Place(("modalities",)), "Claude answers in text only.", "unsupported_value")
    return None


def _check_stop(value: JsonValue) -> InvalidRequest | None:
    if isinstance(value, list) and len(value) > MOST_STOPS:  # pyright: ignore[reportUnknownArgumentType]
        return wrong_value(Place(("stop",)), f"'stop' may hold at most {MOST_STOPS} sequences.")
    return None


def _is(*values: JsonValue) -> Callable[[JsonValue], bool]:
    return lambda value: value in values


def _sampled(profile: Profile) -> Disposition:
    return "ignored" if profile.sampling == "none" else "mapped"


def _reasoned(profile: Profile) -> Disposition:
    return "ignored" if profile.thinking == "never" else "mapped"


_STYLE: Final = "Claude has no such control."
_DECIDES: Final = "The model decides for itself how to sample."
_STORED: Final = "Nothing is stored, so there is nothing to find later."
_TOKENS: Final = "Claude does not report probabilities, and its tokens are others."

TABLE: Final = ParameterTable[Profile](
    [
        Parameter("messages", "mapped"),
        Parameter("model", "mapped"),
        Parameter("audio", "rejected", "Claude does not speak."),
        Parameter("frequency_penalty", "ignored", _STYLE, _is(0), _between("frequency_penalty", -2, 2)),
        Parameter("function_call", "mapped"),
        Parameter("functions", "mapped"),
        Parameter("logit_bias", "rejected", _TOKENS, _is({})),
        Parameter("logprobs", "rejected", _TOKENS, _is(False)),
        Parameter("max_completion_tokens", "mapped", check=_between("max_completion_tokens", 1, float("inf"))),
        Parameter("max_tokens", "mapped", check=_between("max_tokens", 1, float("inf"))),
        Parameter("metadata", "ignored", _STORED, _is({}), _check_metadata),
        Parameter("modalities", "mapped", check=_check_modalities),
        Parameter("moderation", "rejected", "The gateway cannot moderate, and a safety request must not be skipped silently."),
        Parameter("n", "mapped", check=_between("n", 1, float("inf"))),
        Parameter("parallel_tool_calls", "mapped"),
        Parameter("prediction", "ignored", "It only hints at latency."),
        Parameter("presence_penalty", "ignored", _STYLE, _is(0), _between("presence_penalty", -2, 2)),
        Parameter("prompt_cache_key", "mapped"),
        Parameter("prompt_cache_options", "mapped"),
        Parameter("prompt_cache_retention", "mapped"),
        Parameter("reasoning_effort", _reasoned, "This model does not reason.", check=_one_of("reasoning_effort", *EFFORTS)),
        Parameter("response_format", "mapped"),
        Parameter("safety_identifier", "mapped"),
        Parameter("seed", "ignored", _STYLE),
        Parameter(
            "service_tier",
            "ignored",
            "Vertex AI has no tiers for Claude.",
            _is("auto", "default"),
            _one_of("service_tier", "auto", "default", "flex", "scale", "priority", "fast"),
        ),
        Parameter("stop", "mapped", check=_check_stop),
        Parameter("store", "ignored", _STORED, _is(False)),
        Parameter("stream", "mapped"),
        Parameter("stream_options", "mapped"),
        Parameter("temperature", _sampled, _DECIDES, _is(1), _between("temperature", 0, 2)),
        Parameter("tool_choice", "mapped"),
        Parameter("tools", "mapped"),
        Parameter("top_logprobs", "rejected", _TOKENS, _is(0)),
        Parameter("top_p", _sampled, _DECIDES, _is(1), _between("top_p", 0, 1)),
        Parameter("user", "mapped"),
        Parameter("verbosity", "ignored", _STYLE, _is("medium"), _one_of("verbosity", "low", "medium", "high")),
        Parameter("web_search_options", "mapped"),
        Parameter("top_k", _sampled, _DECIDES, check=typed("top_k", reading.integer)),
        Parameter("thinking", _reasoned, check=typed("thinking", reading.mapping)),
        Parameter("reasoning", _reasoned, check=typed("reasoning", reading.mapping)),
        Parameter("include_reasoning", _reasoned, check=typed("include_reasoning", reading.boolean)),
        Parameter("cache_control", "mapped", check=typed("cache_control", reading.mapping)),
        Parameter("anthropic_beta", "mapped", check=typed("anthropic_beta", reading.text_or_texts)),
        Parameter("betas", "mapped", check=typed("betas", reading.text_or_texts)),
        Parameter("output_config", "mapped", check=typed("output_config", reading.mapping)),
        Parameter("context_management", "mapped", check=typed("context_management", reading.mapping)),
        Parameter("stop_sequences", "mapped", check=typed("stop_sequences", reading.text_or_texts)),
        Parameter("extra_body", "mapped", check=typed("extra_body", reading.mapping)),
    ]
)
