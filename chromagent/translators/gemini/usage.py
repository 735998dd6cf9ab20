"""Google's counters → OpenAI's. Hides that thoughts stand apart, that tool prompts do, and that counters come late or in pieces.

Source: wire-gemini §3.11.
"""

from typing import Final

from chromagent.codec import JsonObject
from chromagent.translators.lenient import count, members, text

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
        counted = [_one(answer) for answer in self._answers]
        prompt = sum(one["prompt"] for one in counted)
        completion = sum(one["completion"] for one in counted)
        prompt_details: JsonObject = {
            "cached_tokens": sum(count(answer, "cachedContentTokenCount") for answer in self._answers),
            "audio_tokens": self._modality("promptTokensDetails", "AUDIO"),
        }
        if any(members(answer, "promptTokensDetails") for answer in self._answers):
            prompt_details["text_tokens"] = self._modality("promptTokensDetails", "TEXT", "DOCUMENT")
            prompt_details["image_tokens"] = self._modality("promptTokensDetails", "IMAGE")
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": prompt_details,
            "completion_tokens_details": {
                "reasoning_tokens": sum(one["thoughts"] for one in counted),
                "audio_tokens": self._modality("candidatesTokensDetails", "AUDIO"),
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def _modality(self, field: str, *modalities: str) -> int:
        details = [detail for answer in self._answers for detail in members(answer, field)]
        return sum(count(detail, "tokenCount") for detail in details if detail.get("modality") in modalities)


def _one(answer: JsonObject) -> dict[str, int]:
    prompt = count(answer, "promptTokenCount") + count(answer, "toolUsePromptTokenCount")
    visible, thoughts = count(answer, "candidatesTokenCount"), count(answer, "thoughtsTokenCount")
    inside = thoughts > 0 and count(answer, "totalTokenCount") == prompt + visible  # some servers count thoughts as visible
    return {"prompt": prompt, "completion": visible if inside else visible + thoughts, "thoughts": thoughts}
