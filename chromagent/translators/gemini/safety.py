"""Safety settings: what the operator demands, and what a client may add to it."""

from typing import Final

from chromagent.codec import JsonObject
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.gemini.options import Category, Safety, Threshold

THRESHOLDS: Final = Threshold.__args__
"""From the weakest to the strictest."""
CATEGORIES: Final = Category.__args__
_TEXT: Final = CATEGORIES[:4]
"""The categories that every model knows: those of a floor that names none."""
_PREFIX: Final = "HARM_CATEGORY_"


def settings(safety: Safety, given: list[JsonObject] | None, place: Place) -> list[JsonObject]:
    """Return what is sent: the client's settings, and the floor for the categories that it does not name.

    Raises `InvalidRequest` for what is weaker than the floor, named twice, or unknown.
    """
    if given is not None and safety.fixed:
        raise wrong_value(place, "The operator of this gateway sets the safety settings.", "unsupported_parameter")
    sent: dict[str, JsonObject] = {}
    for category in _TEXT if isinstance(safety.floor, str) else safety.floor or ():
        sent[category] = {"category": category, "threshold": _minimum(safety, category)}
    named: set[str] = set()
    for index, setting in enumerate(given or []):
        here = place.at(index)
        category = _category(setting, here)
        if category in named:
            raise wrong_value(here.at("category"), f"'{category}' is named twice.")
        named.add(category)
        sent[category] = _setting(safety, setting, category, here)
    return list(sent.values())


def _setting(safety: Safety, setting: JsonObject, category: str, place: Place) -> JsonObject:
    threshold = reading.required(setting, "threshold", reading.text, place).upper()
    if threshold not in THRESHOLDS:
        raise wrong_value(place.at("threshold"), f"'threshold' must be one of {', '.join(THRESHOLDS)}.")
    least = _minimum(safety, category)
    if least is not None and THRESHOLDS.index(threshold) < THRESHOLDS.index(least):
        raise wrong_value(place.at("threshold"), f"The operator of this gateway demands {least} or stricter.", "unsupported_value")
    if least is not None and "method" in setting:  # how harm is measured could weaken the threshold
        raise wrong_value(place.at("method"), "The operator of this gateway sets how harm is measured.", "unsupported_value")
    return {**setting, "category": category, "threshold": threshold}


def _minimum(safety: Safety, category: str) -> str | None:
    """Return the weakest threshold allowed for a category; None where the operator demands nothing."""
    if safety.floor is None or isinstance(safety.floor, str):
        return safety.floor
    return {str(name): threshold for name, threshold in safety.floor.items()}.get(category)


def _category(setting: JsonObject, place: Place) -> str:
    given = reading.required(setting, "category", reading.text, place)
    category = _PREFIX + given.upper().removeprefix(_PREFIX)
    if category not in CATEGORIES:
        raise wrong_value(place.at("category"), f"'category' must be one of {', '.join(CATEGORIES)}.")
    return category
