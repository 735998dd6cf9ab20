"""A whole answer, or a stream event by event → deltas, finish reasons and usage. Hides that some endings are failures.

Source: wire-gemini §3.1–3.3, §3.9, §3.11. Everything in an answer may be missing, so nothing is read without a default.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

import msgspec

from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import GatewayError, InvalidRequest, UpstreamInvalidResponse
from chromagent.translators import lenient
from chromagent.translators.gemini import wire
from chromagent.translators.gemini.parts import ChoiceReader, Reading, logprobs
from chromagent.translators.gemini.usage import UsageCounter
from chromagent.translators.protocol import Delta, Head

_BLOCKS: Final = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "LANGUAGE",
        "ESCALATION",
        "PUP_LIMITED_DISABLED",
    }
    | {"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"}
)
_NO_IMAGES: Final = frozenset({"NO_IMAGE", "IMAGE_OTHER"})
_LIMITS: Final = frozenset({"MAX_TOKENS", "CONTINUATION"})
_FAILURES: Final = frozenset(
    {"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"}
)
_BROKEN_OFF: Final = "broken_off"
_EMPTY: Final = "empty_response"


class Policy(msgspec.Struct, frozen=True):
    """What to do with answers that are none."""

    choices: int
    streamed: bool
    requested_model: str | None
    """The name to show instead of the upstream's; None to show the upstream's."""
    model: str
    block_is_error: bool
    retry_empty: bool
    retry_malformed: bool


class AnswerReader:
    """Reads the answer to one request, which may take several upstream answers."""

    _id = ""
    _blocked: JsonObject | None = None
    _started = False
    _told = False
    _model_version: JsonValue = ""
    upstream_model = ""

    def __init__(self, reading: Reading, policy: Policy) -> None:
        self._reading = reading
        self._policy = policy
        self._deltas: list[Delta] = []
        self._used_ids: set[str] = set()
        self._choices = [ChoiceReader(reading, index, self._used_ids, self._deltas) for index in range(policy.choices)]
        self._counter = UsageCounter()
        self._created = reading.created

    @property
    def head(self) -> Head:
        """What all chunks share."""
        model = self._policy.requested_model or self.upstream_model or self._policy.model
        return Head(f"chatcmpl-{self._id or self._reading.call_id}", self._created, model, self._counter.service_tier)

    @property
    def usage(self) -> JsonObject:
        """OpenAI's usage object."""
        return self._counter.usage()

    @property
    def complete(self) -> bool:
        """The first choice has its finish reason, or there will be none."""
        return self._blocked is not None or self._choices[0].finish_reason is not None

    @property
    def continuation(self) -> str | None:
        """The token to go on with: the model asks for it, or the answer broke off after a checkpoint."""
        first = self._choices[0]
        goes_on = first.finish_reason is None or first.finish_reason == "CONTINUATION"
        return first.continuation if goes_on and self._policy.choices == 1 else None

    def next_answer(self) -> None:
        """What follows comes from the next upstream request."""
        self._choices[0].next_answer()
        self._counter.next_answer()

    def read(self, answer: JsonObject) -> list[Delta]:
        """Read one event or a whole answer."""
        try:
            return self._read(answer)
        except (TypeError, AttributeError, KeyError, ValueError) as error:  # a member of another type than Google's schema says
            raise UpstreamInvalidResponse("The model provider's answer has an unknown shape.") from error

    def read_plain(self, data: bytes) -> list[Delta] | None:
        """Read an event of a stream as `read` would; None, with nothing done, unless it is as most events of a stream are."""
        if not self._told:
            return None
        try:
            event = wire.decode_plain(data)
        except wire.NOT_PLAIN:
            return None
        if event.model_version and event.model_version != self._model_version:
            self._read_model(event.model_version)
        if event.usage_metadata:
            self._counter.take(event.usage_metadata)
        part = event.candidates[0].content.parts[0]
        self._choices[0].read_text(part.text, thought=part.thought)
        return self._take()

    def _read(self, answer: JsonObject) -> list[Delta]:
        if not self._started:
            self._begin(answer)
        if model := answer.get("modelVersion"):
            self._read_model(model)
        if metadata := answer.get("usageMetadata"):
            self._counter.take(metadata)
        candidates = cast("list[JsonObject]", answer.get("candidates") or ())
        several = len(candidates) > 1 and not self._policy.streamed
        numbered = not several or any("index" in candidate for candidate in candidates)  # then a missing one is 0
        for position, candidate in enumerate(candidates):
            index = candidate.get("index", 0 if numbered else position)
            if 0 <= index < len(self._choices):
                self._read_candidate(index, candidate)
        feedback = answer.get("promptFeedback")
        if feedback and feedback.get("blockReason") and not candidates and not self._told:
            self._blocked = feedback
        return self._take()

    def finish(self) -> list[Delta]:
        """Close every choice. Raises `GatewayError` where the answer is a failure; retryable while nothing was told."""
        if self._blocked is not None:
            return self._refuse_prompt(self._blocked)
        try:
            for choice in self._choices:
                choice.finish()
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            raise UpstreamInvalidResponse("The model provider's answer has an unknown shape.") from error
        faults = [self._fault(choice) for choice in self._choices]
        if all(faults) or faults[0] == _BROKEN_OFF:
            raise self._failure(self._choices[0], faults[0])
        if self._is_empty() and self._policy.retry_empty and self._may_retry:
            raise UpstreamInvalidResponse("The model gave an empty answer.", retryable=True)
        for index, choice in enumerate(self._choices):
            if choice.seen or self._policy.streamed:
                self._close(index, choice)
        return self._take()

    @property
    def failed(self) -> frozenset[int]:
        """Choices that ended in a failure while others did not: their calls must not be made."""
        return frozenset([index for index, choice in enumerate(self._choices) if choice.finish_reason in _FAILURES])

    @property
    def _may_retry(self) -> bool:
        """Nothing reached the client: of a whole answer nothing does before its end."""
        return not (self._policy.streamed and self._told)

    def _begin(self, answer: JsonObject) -> None:
        self._started = True
        self._id = str(answer.get("responseId") or "")
        for choice in self._choices:
            choice.response_id = self._id
        if created := answer.get("createTime"):
            self._created = _epoch(created) or self._created

    def _read_model(self, version: JsonValue) -> None:
        self._model_version = version
        self.upstream_model = self._reading.redact.name(str(version).rsplit("models/", 1)[-1])

    def _read_candidate(self, index: int, candidate: JsonObject) -> None:
        before = len(self._deltas)
        self._choices[index].read(candidate)
        result = candidate.get("logprobsResult")
        if result and self._reading.logprobs:
            self._attach(index, before, logprobs(result))

    def _attach(self, index: int, before: int, found: JsonObject) -> None:
        """Put probabilities into the text chunk of the same event, or into one of their own."""
        for position in range(before, len(self._deltas)):
            if "content" in self._deltas[position].delta:
                self._deltas[position] = msgspec.structs.replace(self._deltas[position], logprobs=found)
                return
        self._deltas.append(Delta(index, {}, None, found))

    def _take(self) -> list[Delta]:
        """Hand over what arose. In a stream the role chunks of all choices come first, with whatever comes first."""
        deltas = self._deltas.copy()
        self._deltas.clear()
        if deltas and not self._told:
            self._told = True
            return [*_roles(self._policy.choices), *deltas] if self._policy.streamed else deltas
        return deltas

    def _refuse_prompt(self, feedback: JsonObject) -> list[Delta]:
        reason = feedback.get("blockReason")
        told = self._reading.redact(lenient.text(feedback, "blockReasonMessage"))
        text = told or f"The prompt was blocked by the upstream safety system ({_code(reason)})."
        if self._policy.block_is_error:
            raise InvalidRequest(text, param="messages", code="content_policy_violation")
        self._deltas += [Delta(0, {"refusal": text}), Delta(0, {}, "content_filter")]
        return [*_roles(1), *self._deltas]

    def _is_empty(self) -> bool:
        return self._counter.candidates == 0 and all(choice.silent and choice.finish_reason == "STOP" for choice in self._choices)

    def _fault(self, choice: ChoiceReader) -> str:
        """Return the code of the failure that a choice ended in; empty if it is none."""
        reason = choice.finish_reason
        if reason in _FAILURES:
            return str(reason).lower()
        if not choice.silent:
            return _BROKEN_OFF if self._policy.streamed and reason is None and choice is self._choices[0] else ""
        if reason == "OTHER":
            return "upstream_stopped"
        known = reason == "STOP" or reason in _BLOCKS or reason in _NO_IMAGES or reason in _LIMITS
        return "" if known else _EMPTY

    def _failure(self, choice: ChoiceReader, fault: str) -> GatewayError:
        message = choice.finish_message or "The model provider's answer was malformed or incomplete."
        code = None if fault in (_BROKEN_OFF, _EMPTY) else fault
        return UpstreamInvalidResponse(message, code=code, retryable=self._policy.retry_malformed and self._may_retry)

    def _close(self, index: int, choice: ChoiceReader) -> None:
        reason = choice.finish_reason
        finish = self._finish_reason(choice)
        if finish == "content_filter" and choice.silent and reason not in _FAILURES:
            text = choice.finish_message or f"The response was blocked by the upstream safety system ({_code(reason)})."
            self._deltas.append(Delta(index, {"refusal": text}))
        self._deltas.append(Delta(index, {}, finish))

    def _finish_reason(self, choice: ChoiceReader) -> str:
        reason = choice.finish_reason
        if reason in _LIMITS:
            return "length"
        if reason in _BLOCKS or reason in _FAILURES:
            return "content_filter"
        if choice.has_calls:
            return "function_call" if self._reading.legacy else "tool_calls"
        if reason == "OTHER" or (reason in _NO_IMAGES and not choice.has_content):
            return "content_filter"
        return "stop"


def _roles(choices: int) -> list[Delta]:
    return [Delta(index, {"role": "assistant", "content": "", "refusal": None}) for index in range(choices)]


def _code(reason: JsonValue) -> str:
    """Return an upstream's reason, which should be a word in capitals; any other text is not told."""
    return str(reason) if re.fullmatch(r"[A-Z_]{1,64}", str(reason)) else "unknown reason"


def _epoch(timestamp: JsonValue) -> int | None:
    try:
        return int(datetime.fromisoformat(str(timestamp)).timestamp())
    except ValueError:
        return None


def read_whole(reader: AnswerReader, answers: Sequence[JsonObject]) -> list[Delta]:
    """Read complete answers, each going on with the one before, as the stream they might have been."""
    deltas: list[Delta] = []
    for position, answer in enumerate(answers):
        if position:
            reader.next_answer()
        deltas += reader.read(answer)
    deltas += reader.finish()
    failed = reader.failed
    return [delta for delta in deltas if not (delta.choice in failed and "tool_calls" in delta.delta)] if failed else deltas
