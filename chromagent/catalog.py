"""Which models there are and whose they are. Data with look-ups; what a model can do stands in the profiles of its wire format.

Ids and dates: wire-gemini §1.9, wire-anthropic §1.6. A model that is not listed is still served if its name shows its family.
"""

from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

Family: TypeAlias = Literal["gemini", "claude"]


class Model(NamedTuple):
    """One model that the catalog offers to clients."""

    id: str
    family: Family
    created: int
    """Day of release as epoch seconds, 0 where no source tells it."""

    @property
    def owned_by(self) -> str:
        """The vendor, as OpenAI's model object names it."""
        return OWNERS[self.family]


OWNERS: Final[dict[Family, str]] = {"gemini": "google", "claude": "anthropic"}

_PREFIXES: Final[tuple[tuple[str, Family], ...]] = (
    ("gemini", "gemini"),
    ("google/", "gemini"),
    ("models/", "gemini"),
    ("publishers/google/", "gemini"),
    ("endpoints/", "gemini"),
    ("projects/", "gemini"),
    ("gemma", "gemini"),
    ("claude", "claude"),
    ("anthropic/", "claude"),
    ("publishers/anthropic/", "claude"),
)
_PLATFORMS: Final = ("vertex_ai/", "vertex/")


def _day(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) if text else 0


def _models(family: Family, *rows: tuple[str, str]) -> tuple[Model, ...]:
    return tuple(Model(name, family, _day(released)) for name, released in rows)


MODELS: Final = _models(
    "gemini",
    ("gemini-4-hydrogen", ""),
    ("gemini-4-argon", "2026-10-13"),
    ("gemini-4-carbon", ""),
    ("gemini-3.8-flash", ""),
    ("gemini-3.7-flash", ""),
    ("gemini-3.6-flash", ""),
    ("gemini-3.5-flash", ""),
    ("gemini-3.5-flash-lite", ""),
    ("gemini-3.1-flash-lite", ""),
    ("gemini-3.1-pro-preview", ""),
    ("gemini-3-flash-preview", ""),
    ("gemini-3-pro-preview", ""),
    ("gemini-2.5-pro", ""),
    ("gemini-2.5-flash", ""),
    ("gemini-2.5-flash-lite", ""),
    ("gemini-3-pro-image", ""),
    ("gemini-3.1-flash-image", ""),
    ("gemini-3.8-flash-tts", ""),
) + _models(
    "claude",
    ("claude-fable-5-2", ""),
    ("claude-fable-5-1", ""),
    ("claude-fable-5", ""),
    ("claude-opus-5-5", ""),
    ("claude-opus-5", ""),
    ("claude-sonnet-5-5", "2026-09-28"),
    ("claude-sonnet-5", ""),
    ("claude-haiku-5-5", "2026-10-07"),
    ("claude-opus-4-8", ""),
    ("claude-opus-4-7", ""),
    ("claude-opus-4-6", ""),
    ("claude-sonnet-4-6", ""),
    ("claude-opus-4-5", "2025-11-01"),
    ("claude-sonnet-4-5", "2025-09-29"),
    ("claude-haiku-4-5", "2025-10-01"),
)


def family_of(model: str) -> Family | None:
    """Tell the family from the name alone; None where it does not show."""
    name = model.strip().lower()
    for platform in _PLATFORMS:
        name = name.removeprefix(platform)
    for prefix, family in _PREFIXES:
        if name.startswith(prefix):
            return family
    return None
