"""Shapes of Anthropic's Messages, in its own spelling. No logic. Source: anthropic 2.12.0 and wire-anthropic §3."""

from typing import Any, TypedDict


class Source(TypedDict, total=False):
    """Bytes of an image or a document."""

    type: str
    media_type: str
    data: str


class Block(TypedDict, total=False):
    """One element of `content`, of any type."""

    type: str
    text: str
    source: Source
    title: str
    id: str
    name: str
    input: Any
    tool_use_id: str
    content: Any
    is_error: bool
    thinking: str
    signature: str
    data: str
    citations: Any
    cache_control: dict[str, str]
