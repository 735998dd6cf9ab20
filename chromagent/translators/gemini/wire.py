"""Shapes of Google's `generateContent`, in its own spelling. No logic: but the usual event of a stream is told by its type.

Source: googleapis protos of August 2026, wire-gemini §3.1.
"""

from typing import Any, Final, Literal, TypedDict

import msgspec


class Blob(TypedDict):
    """Bytes inside a part, in base64."""

    mimeType: str
    data: str


class FileData(TypedDict):
    """A file by address."""

    mimeType: str
    fileUri: str


class FunctionCall(TypedDict, total=False):
    """One call. `partialArgs` and `willContinue` only where arguments are streamed."""

    id: str
    name: str
    args: dict[str, Any]
    partialArgs: list[dict[str, Any]]
    willContinue: bool


class FunctionResponse(TypedDict, total=False):
    """The result of one call; `parts` are media of Gemini 3 and later."""

    id: str
    name: str
    response: dict[str, Any]
    parts: list["Part"]


class Part(TypedDict, total=False):
    """One unit of content: exactly one kind of data, and what accompanies it."""

    text: str
    thought: bool
    thoughtSignature: str
    inlineData: Blob
    fileData: FileData
    mediaResolution: dict[str, str]
    functionCall: FunctionCall
    functionResponse: FunctionResponse
    executableCode: dict[str, str]
    codeExecutionResult: dict[str, str]


class Content(TypedDict, total=False):
    """One turn."""

    role: str
    parts: list[Part]


class UsageMetadata(TypedDict, total=False):
    """Counters; every one may be missing."""

    promptTokenCount: int
    candidatesTokenCount: int
    thoughtsTokenCount: int
    toolUsePromptTokenCount: int
    cachedContentTokenCount: int
    totalTokenCount: int
    promptTokensDetails: list[dict[str, Any]]
    candidatesTokensDetails: list[dict[str, Any]]
    trafficType: str
    serviceTier: str


class Candidate(TypedDict, total=False):
    """One choice, or what this event adds to it. `index` is left out when it is 0."""

    index: int
    content: Content
    finishReason: str
    finishMessage: str
    logprobsResult: dict[str, Any]
    groundingMetadata: dict[str, Any]
    citationMetadata: dict[str, Any]
    continuationToken: str


class GenerateContentResponse(TypedDict, total=False):
    """An answer, or one event of a stream."""

    candidates: list[Candidate]
    promptFeedback: dict[str, Any]
    usageMetadata: UsageMetadata
    modelVersion: str
    responseId: str
    createTime: str


class _PlainPart(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    thought: bool = False


class _PlainContent(msgspec.Struct, forbid_unknown_fields=True):
    parts: tuple[_PlainPart]
    role: str = ""


class _PlainCandidate(msgspec.Struct, forbid_unknown_fields=True):
    content: _PlainContent
    index: Literal[0] = 0


class PlainEvent(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """An event that says one piece of text of the first choice and nothing else, as nearly all of a stream do.

    The type is the test: what has another member, or another type in one, does not decode.
    """

    candidates: tuple[_PlainCandidate]
    usage_metadata: dict[str, Any] | None = None
    model_version: str = ""
    create_time: str = ""
    response_id: str = ""


decode_plain: Final = msgspec.json.Decoder(PlainEvent).decode
"""Reads such an event. Raises one of `NOT_PLAIN` for any other text, which is then the general reader's."""
NOT_PLAIN: Final = (msgspec.MsgspecError, ValueError, RecursionError)
