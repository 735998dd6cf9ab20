"""Safety settings and Model Armor: what the operator demands, and what a client may add to it."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from chromagent.codec import JsonObject
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value

Threshold: TypeAlias = Literal["OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE"]
Category: TypeAlias = Literal[
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_CIVIC_INTEGRITY",
    "HARM_CATEGORY_JAILBREAK",
    "HARM_CATEGORY_IMAGE_HATE",
    "HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT",
    "HARM_CATEGORY_IMAGE_HARASSMENT",
    "HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT",
]
THRESHOLDS: Final = Threshold.__args__
"""From the weakest to the strictest."""
CATEGORIES: Final = Category.__args__
_TEXT: Final = CATEGORIES[:4]
"""The categories that every model knows: those of a floor that names none."""
_PREFIX: Final = "HARM_CATEGORY_"


class Safety(Struct, frozen=True, forbid_unknown_fields=True):
    """What the operator demands of safety settings."""

    floor: Threshold | Mapping[Category, Threshold] | None = None
    """Weakest threshold, for all categories or for each; sent with every request. A client may only be stricter."""
    fixed: bool = False
    """Clients may send no safety settings at all: they are a 400."""

    def _least(self, category: str) -> str | None:
        """Return the weakest threshold allowed for a category; None where the operator demands nothing."""
        if self.floor is None or isinstance(self.floor, str):
            return self.floor
        return {str(name): threshold for name, threshold in self.floor.items()}.get(category)

    def settings(self, given: list[JsonObject] | None, place: Place) -> list[JsonObject]:
        """Return what is sent: the client's settings, and the floor for the categories that it does not name.

        Raises `InvalidRequest` for what is weaker than the floor, named twice, or unknown.
        """
        if given is not None and self.fixed:
            raise wrong_value(place, "The operator of this gateway sets the safety settings.", "unsupported_parameter")
        sent: dict[str, JsonObject] = {}
        for category in _TEXT if isinstance(self.floor, str) else self.floor or ():
            sent[category] = {"category": category, "threshold": self._least(category)}
        named: set[str] = set()
        for index, setting in enumerate(given or []):
            here = place.at(index)
            category = _category(setting, here)
            if category in named:
                raise wrong_value(here.at("category"), f"'{category}' is named twice.")
            named.add(category)
            sent[category] = self._setting(setting, category, here)
        return list(sent.values())

    def _setting(self, setting: JsonObject, category: str, place: Place) -> JsonObject:
        threshold = reading.required(setting, "threshold", reading.text, place).upper()
        if threshold not in THRESHOLDS:
            raise wrong_value(place.at("threshold"), f"'threshold' must be one of {', '.join(THRESHOLDS)}.")
        least = self._least(category)
        if least is not None and THRESHOLDS.index(threshold) < THRESHOLDS.index(least):
            raise wrong_value(
                place.at("threshold"), f"The operator of this gateway demands {least} or stricter.", "unsupported_value"
            )
        if least is not None and "method" in setting:  # how harm is measured could weaken the threshold
            raise wrong_value(place.at("method"), "The operator of this gateway sets how harm is measured.", "unsupported_value")
        return {**setting, "category": category, "threshold": threshold}


class ModelArmor(Struct, frozen=True, forbid_unknown_fields=True):
    """Model Armor templates, as full names `projects/P/locations/L/templates/T`."""

    prompt_template: str | None = None
    """Screens what is asked."""
    response_template: str | None = None
    """Screens what is answered."""

    def config(self) -> JsonObject:
        """Return `modelArmorConfig`; empty without templates."""
        names = {"promptTemplateName": self.prompt_template, "responseTemplateName": self.response_template}
        return {member: name for member, name in names.items() if name}


def _category(setting: JsonObject, place: Place) -> str:
    given = reading.required(setting, "category", reading.text, place)
    category = _PREFIX + given.upper().removeprefix(_PREFIX)
    if category not in CATEGORIES:
        raise wrong_value(place.at("category"), f"'category' must be one of {', '.join(CATEGORIES)}.")
    return category
