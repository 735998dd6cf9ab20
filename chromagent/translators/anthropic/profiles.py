"""What each Claude model can do, as one table, and how names become ids. No model name is compared anywhere else.

Source: wire-anthropic §1.6 and §1.7. Unknown names of the family get the last row: nothing is sent that might be refused.
"""

import re
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import asdict, replace

from chromagent.errors import ModelNotFound
from chromagent.translators.anthropic.options import ProfileChange

Sampling = Literal["one", "any", "none"]
"""Temperature or top_p, never both; both; neither."""
Thinking = Literal["never", "manual", "adaptive"]
"""Not at all; by a budget of tokens; by itself, with an effort."""
WithoutThinking = Literal["absent", "disabled", "between_tools", "impossible"]
"""What makes the model answer without thinking."""

_MILLION: Final = 1_000_000
_EFFORTS_3: Final = ("low", "medium", "high")
_EFFORTS_4: Final = ("low", "medium", "high", "max")
_EFFORTS_5: Final = ("low", "medium", "high", "xhigh", "max")


class Profile(Struct, frozen=True):
    """One family of models."""

    name: str
    context_window: int | None = _MILLION
    largest_output: int = 128_000
    thinking: Thinking = "adaptive"
    thinks_by_default: bool = False
    off: WithoutThinking = "absent"
    efforts: tuple[str, ...] = _EFFORTS_5
    sampling: Sampling = "none"
    prefill: bool = False
    can_be_forced: bool = True
    system_messages: bool = False
    """`role: system` inside the conversation."""
    binds: bool = False
    """Signatures are bound to everything before them."""
    structured: bool = True
    interleaved_beta: bool = False
    known: bool = True

    @property
    def default_output(self) -> int:
        """Output tokens where the client sets no limit."""
        if not self.known:
            return 32_000
        return self.largest_output if self.thinking == "never" else min(self.largest_output, 64_000)


def _manual(name: str, output: int, *, efforts: tuple[str, ...] = (), structured: bool = True, interleaved: bool = True) -> Profile:
    return Profile(
        name,
        context_window=200_000,
        largest_output=output,
        thinking="manual",
        efforts=efforts,
        sampling="one",
        prefill=True,
        structured=structured,
        interleaved_beta=interleaved,
    )


def _newest(name: str, *, off: WithoutThinking = "impossible", forced: bool = False, binds: bool = True) -> Profile:
    return Profile(name, thinks_by_default=True, off=off, can_be_forced=forced, system_messages=True, binds=binds)


_OLD: Final = Profile(
    "claude-3",
    context_window=200_000,
    largest_output=4096,
    thinking="never",
    efforts=(),
    sampling="one",
    prefill=True,
    structured=False,
)
_TABLE: Final[tuple[tuple[str, Profile], ...]] = (
    ("claude-3-5", replace(_OLD, largest_output=8192)),
    ("claude-3-7", replace(_OLD, largest_output=8192)),
    ("claude-3", _OLD),
    ("claude-opus-4-1", _manual("claude-opus-4-1", 32_000, structured=False)),
    ("claude-haiku-4-5", _manual("claude-haiku-4-5", 64_000, interleaved=False)),
    ("claude-sonnet-4-5", _manual("claude-sonnet-4-5", 64_000)),
    ("claude-opus-4-5", _manual("claude-opus-4-5", 64_000, efforts=_EFFORTS_3)),
    ("claude-sonnet-4-6", Profile("claude-sonnet-4-6", largest_output=64_000, efforts=_EFFORTS_4, sampling="any")),
    ("claude-opus-4-6", Profile("claude-opus-4-6", efforts=_EFFORTS_4, sampling="any")),
    ("claude-opus-4-7", Profile("claude-opus-4-7")),
    ("claude-opus-4-8", Profile("claude-opus-4-8", system_messages=True)),
    ("claude-opus-4", _manual("claude-opus-4", 32_000, structured=False)),
    ("claude-sonnet-4", _manual("claude-sonnet-4", 64_000, structured=False)),
    ("claude-sonnet-5-5", _newest("claude-sonnet-5-5", off="between_tools")),
    ("claude-haiku-5-5", _newest("claude-haiku-5-5", off="disabled", forced=True)),
    ("claude-opus-5-5", _newest("claude-opus-5-5")),
    ("claude-fable-5-1", _newest("claude-fable-5-1")),
    ("claude-fable-5-2", _newest("claude-fable-5-2")),
    ("claude-mythos-5-1", _newest("claude-mythos-5-1")),
    ("claude-mythos-5-2", _newest("claude-mythos-5-2")),
    ("claude-sonnet-5", Profile("claude-sonnet-5", thinks_by_default=True, off="disabled")),
    ("claude-opus-5", _newest("claude-opus-5", off="disabled", forced=True, binds=False)),
    ("claude-fable-5", _newest("claude-fable-5", forced=True, binds=False)),
    ("claude-mythos-5", _newest("claude-mythos-5", forced=True, binds=False)),
)
_UNKNOWN: Final = Profile("unknown", context_window=None, largest_output=_MILLION, binds=True, known=False)


def changed(profile: Profile, change: ProfileChange | None) -> Profile:
    """Return the profile with what an owner knows better than the table."""
    given = {} if change is None else {name: value for name, value in asdict(change).items() if value is not None}
    return replace(profile, **given) if given else profile


@lru_cache(maxsize=256)
def profile_of(model: str) -> Profile:
    """Return the profile of a resolved model id; what follows `@` is a version of the same model."""
    name = model.partition("@")[0].lower()
    for family, profile in _TABLE:
        if name == family or (family.startswith("claude-3") and name.startswith(f"{family}-")):
            return profile
    return _UNKNOWN


_PREFIXES: Final = ("vertex_ai/", "vertex/", "anthropic/", "publishers/anthropic/models/")
_DATES: Final = {
    "claude-opus-4-5": "20251101",
    "claude-sonnet-4-5": "20250929",
    "claude-haiku-4-5": "20251001",
    "claude-opus-4-1": "20250805",
    "claude-opus-4": "20250514",
    "claude-sonnet-4": "20250514",
}
_VALID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")


@lru_cache(maxsize=256)
def resolve(model: str) -> str:
    """Turn a spelling into the id that Vertex AI has. Raises `ModelNotFound` for what cannot be one."""
    name = model.strip()
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    name = name.removesuffix("-latest")
    if name.startswith("claude-"):
        name = re.sub(r"(?<=\d)\.(?=\d)", "-", name)
    if "@" not in name:
        name = re.sub(r"-(\d{8})$", r"@\1", name)
    if date := _DATES.get(name):
        name = f"{name}@{date}"
    if not _VALID.fullmatch(name) or ".." in name:
        raise ModelNotFound(f"The model '{model.strip()[:100]}' does not exist or you do not have access to it.")
    return name
