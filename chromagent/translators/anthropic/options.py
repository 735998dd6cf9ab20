"""The switches of this wire format, as an owner sets them in `backends.<name>.options` (docs/options.md). Defaults are safe."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct


class ProfileChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What an owner knows better of a model than the built-in table (`profiles.Profile` says what each means)."""

    system_messages: bool | None = None
    can_be_forced: bool | None = None
    structured: bool | None = None
    binds: bool | None = None
    largest_output: int | None = None


class AnthropicOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How to speak to Claude, and what to make of its answers."""

    version: Literal["vertex-2023-10-16", "2026-10-21"] = "vertex-2023-10-16"
    """`anthropic_version` of the body. The newer one refuses sampling parameters on every model."""
    beta_transport: Literal["header", "body", "both"] = "header"
    """Where betas are named."""
    allowed_betas: tuple[str, ...] = ()
    """Betas that clients may ask for, beyond those known to work on Vertex AI."""
    media_fetch: bool = True
    """Fetch remote images and documents (Vertex AI takes no URLs); off makes them a 400."""
    repair_missing_tool_results: bool = False
    """Make up an error result for a call without one, instead of a 400."""
    forced_tool_unsupported: Literal["instruct", "reject"] = "instruct"
    """On models that cannot be forced to call a tool: ask in words, or refuse the request."""
    reasoning_display: Literal["summarized", "omitted"] = "summarized"
    """What adaptive models show of their thinking."""
    cache_policy: Literal["auto", "always", "never"] = "auto"
    """When the prompt is cached without the client's asking."""
    max_n: int = 8
    """Most choices of one request; each is an upstream call of its own."""
    thinking_binding: Literal["retry", "drop_block"] = "retry"
    """Signatures that no longer fit: try again without them, or let the upstream drop them (a beta)."""
    pause_turns: int = 5
    """How often an answer that pauses for server tools is continued."""
    native_tools: tuple[str, ...] = ()
    """Types of Anthropic's own tools to pass on, beyond the known ones."""
    profiles: Mapping[str, ProfileChange] = {}
    """Upstream model id to what the built-in table has wrong of it: `{"claude-sonnet-5": {"system_messages": true}}`."""
    annotation_end: Literal["inclusive", "exclusive"] = "inclusive"
    """Whether `end_index` of an annotation is that of the last character, as OpenAI's types say, or the one after it."""
    tool_call_ids: Literal["plain", "sealed"] = "plain"
    """`sealed` puts thinking blocks into the ids of calls, for clients that keep nothing else."""
