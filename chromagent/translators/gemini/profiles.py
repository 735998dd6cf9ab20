"""What each Gemini model can do, as one table, and how names become ids. No model name is compared anywhere else.

Source: wire-gemini §1.8 and §1.9. Unknown names of the family get what their number suggests; other names the conservative profile.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal

import msgspec

from chromagent.errors import InvalidRequest, ModelNotFound

Thinking = Literal["level", "budget", "asked", "never"]
"""By level; by token budget; only as the client explicitly asks; not at all."""

ALL_LEVELS: Final = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_LMH: Final = ("LOW", "MEDIUM", "HIGH")
_MILLION: Final = 1_048_576


class Profile(msgspec.Struct, frozen=True):
    """One family of models."""

    generation: float
    thinking: Thinking
    levels: tuple[str, ...] = ()
    budgets: tuple[int, int] = (0, 0)
    can_stop_thinking: bool = False
    samples: bool = True
    """Sampling parameters are honoured; newer models ignore them and will refuse them."""
    prefill: bool = True
    speaks: bool = False
    conservative: bool = False
    context_window: int | None = _MILLION
    largest_output: int | None = None

    @property
    def signs_calls(self) -> bool:
        """Function calls must carry a thought signature when they come back."""
        return self.generation >= 3 and not self.conservative and self.thinking == "level"

    @property
    def modern(self) -> bool:
        """Media per part and in results, formats beside tools, built-in tools beside functions."""
        return self.generation >= 3 and not self.conservative


def _levels(generation: float, levels: tuple[str, ...], *, samples: bool = False) -> Profile:
    largest = 1_048_576 if generation >= 4 else 65_536
    return Profile(generation, "level", levels, samples=samples, prefill=samples, largest_output=largest)


def _budget(low: int, high: int, *, can_stop: bool) -> Profile:
    return Profile(2.5, "budget", budgets=(low, high), can_stop_thinking=can_stop, largest_output=65_535)


_MLMH: Final = ("MINIMAL", *_LMH)
_TABLE: Final[tuple[tuple[str, Profile], ...]] = (
    (r"gemini-1\.|gemini-2\.0|gemini-pro$|gemini-flash$|gemma", Profile(2.0, "never")),
    (r"gemini-2\.5-pro", _budget(128, 32_768, can_stop=False)),
    (r"gemini-2\.5-flash-lite", _budget(512, 24_576, can_stop=True)),
    (r"gemini-2\.5-flash", _budget(1, 24_576, can_stop=True)),
    (r"gemini-3-pro", _levels(3.0, ("LOW", "HIGH"), samples=True)),
    (r"gemini-3\.1-pro", _levels(3.1, _LMH, samples=True)),
    (r"gemini-3-flash|gemini-3\.1-flash-lite|gemini-3\.5-flash$|gemini-3\.5-flash-(?!lite)", _levels(3.5, _MLMH, samples=True)),
    (r"gemini-3\.5-flash-lite", _levels(3.5, _MLMH)),
    (r"gemini-3\.6-flash", _levels(3.6, _MLMH)),
    (r"gemini-3\.[7-9]", _levels(3.7, _LMH)),
    (r"gemini-4-hydrogen", _levels(4.0, (*_LMH, "XHIGH"))),
    (r"gemini-4", _levels(4.0, _LMH)),
    (r"gemini-(?:pro|flash|flash-lite)-latest$", _levels(99.0, _LMH)),
)
_PATTERNS: Final = tuple((re.compile(pattern), profile) for pattern, profile in _TABLE)
_NUMBER: Final = re.compile(r"gemini-(\d+(?:\.\d+)?)")
_SPEECH: Final = re.compile(r"-tts")
_MEDIA: Final = re.compile(r"-image|nano-banana|-live|native-audio|embedding|transcribe|-omni|robotics|computer-use")
_CONSERVATIVE: Final = Profile(0.0, "asked", conservative=True, context_window=None)


def with_levels(profile: Profile, levels: Sequence[str] | None) -> Profile:
    """Return the profile with other thinking levels, where an owner knows better than the table."""
    return profile if levels is None else msgspec.structs.replace(profile, thinking="level", levels=tuple(levels))


@lru_cache(maxsize=256)
def profile_of(model: str) -> Profile:
    """Return the profile of a resolved model id."""
    name = model.lower()
    number = _NUMBER.match(name)
    generation = float(number[1]) if number else 0.0
    if _MEDIA.search(name):
        return Profile(generation, "asked", context_window=131_072, largest_output=32_768)
    if _SPEECH.search(name):
        return Profile(generation, "never", speaks=True, context_window=8_192, largest_output=16_384)
    for pattern, profile in _PATTERNS:
        if pattern.match(name):
            return profile
    if generation >= 3:
        return _levels(generation, _LMH, samples=generation < 3.6)
    return _CONSERVATIVE


_PREFIXES: Final = ("google/", "vertex_ai/", "vertex/", "gemini/")
_FULL: Final = re.compile(r"projects/([^/]+)/locations/([^/]+)/(.+)")
_UNSAFE: Final = re.compile(r"\.\.|[?#&%\\\s\x00-\x1f\x7f]")


@lru_cache(maxsize=256)
def resolve(model: str, *, project: str, location: str) -> str:
    """Turn a spelling into a bare model id or `endpoints/N` (wire-gemini §1.8).

    Raises `InvalidRequest` for what must not get into a URL or would steer our credentials to another project, `ModelNotFound` for
    another publisher's model.
    """
    name = model.strip()
    if _UNSAFE.search(name):
        raise InvalidRequest("The name of the model has characters that no model has.", param="model")
    if full := _FULL.fullmatch(name):
        if (full[1], full[2]) != (project, location):
            raise InvalidRequest("The model names another project or location than this gateway serves.", param="model")
        name = full[3]
    if name.isdecimal():
        return f"endpoints/{name}"
    if name.startswith("endpoints/") and name.removeprefix("endpoints/").isdecimal():
        return name
    name = name.removeprefix("publishers/google/").removeprefix("models/")
    for _ in range(2):
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
    if "/" in name or not name:
        raise ModelNotFound(f"The model '{model.strip()}' does not exist or you do not have access to it.")
    return name
