"""Google's counters → OpenAI's. Hides that thoughts stand apart, that tool prompts do, and that counters come late or in pieces.

Source: wire-gemini §3.11.
"""

from collections.abc import Iterable
from typing import Final

from chromagent.codec import JsonObject
from chromagent.translators.lenient import count, member, members, text

_TIERS: Final = {
    "ON_DEMAND": "default",
    "ON_DEMAND_OFFPEAK": "default",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "PROVISIONED_THROUGHPUT": "scale",
    "standard": "default",
    "flex": "flex",
    "priority": "priority",
}


class UsageCounter:
    """Counters of one request: within one upstream answer the last value of a field wins, over several answers they add up."""

    def __init__(self) -> None:
        self._answers: list[JsonObject] = [{}]

    def take(self, metadata: JsonObject) -> None:
        """Take one `usageMetadata`. A field that is missing says nothing."""
        self._answers[-1].update(metadata)

    def next_answer(self) -> None:
        """The next metadata belong to another upstream answer to the same request."""
        self._answers.append({})

    @property
    def candidates(self) -> int:
        """Visible tokens of the answer being read."""
        return count(self._answers[-1], "candidatesTokenCount")

    @property
    def service_tier(self) -> str | None:
        """OpenAI's name of how the request was served, if that was told."""
        for answer in self._answers:
            tier = _TIERS.get(text(answer, "trafficType") or text(answer, "serviceTier"))
            if tier is not None:
                return tier
        return None

    def usage(self) -> JsonObject:
        """Return OpenAI's usage object."""
        prompt = completion = reasoning = cached = 0
        prompt_details: dict[str, int] = {}
        completion_details: dict[str, int] = {}
        for answer in self._answers:
            asked = count(answer, "promptTokenCount") + count(answer, "toolUsePromptTokenCount")
            visible, thoughts = count(answer, "candidatesTokenCount"), count(answer, "thoughtsTokenCount")
            inside = thoughts > 0 and count(answer, "totalTokenCount") == asked + visible  # some servers count thoughts as visible
            prompt += asked
            completion += visible if inside else visible + thoughts
            reasoning += thoughts
            cached += count(answer, "cachedContentTokenCount")
            _add_modalities(prompt_details, answer, "promptTokensDetails")
            _add_modalities(completion_details, answer, "candidatesTokensDetails")
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": _prompt_details(cached, prompt_details),
            "completion_tokens_details": {
                "reasoning_tokens": reasoning,
                "audio_tokens": completion_details.get("AUDIO", 0),
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def total_tokens(bodies: Iterable[JsonObject]) -> int:
    """Return the tokens that whole answers report together; nothing for what is not understood."""
    counter = UsageCounter()
    for body in bodies:
        counter.take(member(body, "usageMetadata"))
        counter.next_answer()
    return counter.usage()["total_tokens"]


def _add_modalities(totals: dict[str, int], answer: JsonObject, field: str) -> None:
    if field in answer:
        for detail in members(answer, field):
            modality = text(detail, "modality")
            totals[modality] = totals.get(modality, 0) + count(detail, "tokenCount")


def _prompt_details(cached: int, modalities: dict[str, int]) -> JsonObject:
    details = {"cached_tokens": cached, "audio_tokens": modalities.get("AUDIO", 0)}
    if modalities:
        details["text_tokens"] = modalities.get("TEXT", 0) + modalities.get("DOCUMENT", 0)
        details["image_tokens"] = modalities.get("IMAGE", 0)
    return details
