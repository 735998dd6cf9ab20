"""What Claude on Vertex AI refuses. Every rule has its source in wire-anthropic; messages are Anthropic's as far as known."""

import base64
import re
from collections.abc import Sequence
from typing import Any, Final, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.local.vertex import images, signatures
from chromagent.local.vertex.families import ClaudeFamily
from chromagent.local.vertex.refusals import Refused
from chromagent.local.vertex.shapes import ANY, Shape, inner_schemas, member, members, unknown, values

VERSIONS: Final = ("vertex-2023-10-16", "2026-10-21")
_SOURCE: Final = {"type": ANY, "media_type": ANY, "data": ANY}
_MARK: Final = {"type": ANY, "ttl": ANY}
_TOOL: Final[Shape] = dict.fromkeys(
    (
        "name",
        "description",
        "input_schema",
        "strict",
        "type",
        "max_uses",
        "user_location",
        "eager_input_streaming",
        "input_examples",
        "defer_loading",
        "allowed_callers",
        "allowed_domains",
        "blocked_domains",
        "display_width_px",
        "display_height_px",
    )
) | {"cache_control": _MARK}
_BODY: Final[dict[str, Any]] = {
    **dict.fromkeys(
        ("anthropic_version", "anthropic_beta", "max_tokens", "stop_sequences", "temperature", "top_p", "top_k", "stream")
    ),
    "messages": [{"role": ANY, "content": ANY}],
    "system": ANY,
    "tools": [_TOOL],
    "tool_choice": {"type": ANY, "name": ANY, "disable_parallel_tool_use": ANY},
    "thinking": {"type": ANY, "budget_tokens": ANY, "display": ANY, "block_binding": ANY},
    "output_config": {"effort": ANY, "format": {"type": ANY, "schema": ANY}},
    "metadata": {"user_id": ANY},
    "cache_control": _MARK,
    "context_management": ANY,
}
_BLOCKS: Final[dict[str, Shape]] = {
    "text": {"type": ANY, "text": ANY, "citations": ANY, "cache_control": _MARK},
    "image": {"type": ANY, "source": _SOURCE, "cache_control": _MARK},
    "document": {"type": ANY, "source": _SOURCE, "title": ANY, "context": ANY, "citations": ANY, "cache_control": _MARK},
    "tool_use": {"type": ANY, "id": ANY, "name": ANY, "input": ANY, "caller": ANY, "cache_control": _MARK},
    "tool_result": {"type": ANY, "tool_use_id": ANY, "content": ANY, "is_error": ANY, "cache_control": _MARK},
    "thinking": {"type": ANY, "thinking": ANY, "signature": ANY},
    "redacted_thinking": {"type": ANY, "data": ANY},
    "server_tool_use": {"type": ANY, "id": ANY, "name": ANY, "input": ANY, "cache_control": _MARK},
    "web_search_tool_result": {"type": ANY, "tool_use_id": ANY, "content": ANY, "cache_control": _MARK},
}
_ALLOWED: Final = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result"},
    "system": {"text"},
}
_BETAS: Final = frozenset(
    [
        "compact-2026-01-12",
        "compact-2026-09-04",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "inline-tools-2026-09-15",
        "interleaved-thinking-2025-05-14",
        "mid-conversation-tool-changes-2026-07-01",
        "per-turn-control-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "tool-search-tool-2025-10-19",
        "web-search-2025-03-05",
    ]
)
_FORMATS: Final = frozenset(["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"])
_SCHEMA: Final = frozenset(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "$ref",
        "$defs",
        "description",
        "title",
        "default",
        "format",
        "pattern",
        "minItems",
    ]
)


def check(body: JsonObject, family: ClaudeFamily, *, betas: Sequence[str], stream: bool) -> None:
    """Refuse what Claude refuses."""
    _check_body(body, betas, stream=stream)
    messages = cast("list[JsonObject]", body["messages"])
    if len(codec.encode(body)) > 30_000_000:
        raise Refused("Request exceeds the maximum size", status=413)
    ids: set[str] = set()
    for index, message in enumerate(messages):
        _check_message(message, index, family, ids)
    _check_system(body)
    _check_pairs(messages)
    _check_end(body, messages, family)
    _check_tools(body, family)
    _check_sampling(body, family)
    _check_thinking(body, messages, family)
    _check_marks(body)
    _check_signatures(body, messages, family)


def _join(path: str, step: str | int) -> str:
    return f"{path}.{step}" if path else str(step)


def _check_body(body: JsonObject, betas: Sequence[str], *, stream: bool) -> None:
    for name, path in unknown(body, _BODY, "", _join):
        raise Refused(f"{_join(path, name)}: Extra inputs are not permitted")
    for name, value in body.items():
        if value is None:
            raise Refused(f"{name}: Input should be a valid value, not null")
    if body.get("anthropic_version") not in VERSIONS:
        raise Refused(
            "anthropic_version: Field required" if "anthropic_version" not in body else "anthropic_version: unknown version"
        )
    if refused := [name for name in betas if name not in _BETAS]:
        raise Refused(f"Unexpected value(s) `{', '.join(refused)}` for the `anthropic-beta` header")
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        raise Refused("max_tokens: Field required" if "max_tokens" not in body else "max_tokens: Input should be greater than 0")
    if not body.get("messages"):
        raise Refused("messages: at least one message is required")
    if bool(body.get("stream")) != stream:
        raise Refused("stream: must be true exactly on streamRawPredict")


def blocks_of(content: JsonValue) -> list[JsonObject]:
    """Return content as blocks; a string is one text block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else cast("list[JsonObject]", content)


def _check_message(message: JsonObject, index: int, family: ClaudeFamily, ids: set[str]) -> None:
    role, path = message.get("role"), f"messages.{index}"
    if role not in _ALLOWED or (role == "system" and not family.system):
        raise Refused(f'{path}.role: unexpected role "{role}"; system messages go into the top-level `system` parameter')
    content = message.get("content")
    if not content:
        raise Refused(f"{path}: {role} messages must have non-empty content")
    for number, block in enumerate(blocks_of(content)):
        here = f"{path}.content.{number}"
        kind = block.get("type")
        if kind not in _ALLOWED[role]:
            raise Refused(f"{here}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
        _check_block(block, here)
        if kind == "tool_use":
            if block["id"] in ids:
                raise Refused(f"{here}: `tool_use` ids must be unique")
            ids.add(block["id"])


def _check_block(block: JsonObject, path: str) -> None:
    kind = block["type"]
    for name, where in unknown(block, _BLOCKS[kind], path, _join):
        raise Refused(f"{_join(where, name)}: Extra inputs are not permitted")
    if kind == "text":
        if not block.get("text"):
            raise Refused(f"{path}.text: text content blocks must be non-empty")
        if not block["text"].strip():
            raise Refused(f"{path}.text: text content blocks must contain non-whitespace text")
    elif kind in ("image", "document"):
        _check_source(block, path)
    elif kind == "tool_use":
        _check_use(block, path)
    elif kind == "tool_result" and block.get("content") is not None:
        if isinstance(block["content"], str) and not block["content"].strip():
            raise Refused(f"{path}.content: text content blocks must contain non-whitespace text")
        for number, inner in enumerate(blocks_of(block["content"])):
            _check_block(inner, f"{path}.content.{number}")


def _check_use(block: JsonObject, path: str) -> None:
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", str(block.get("id", ""))):
        raise Refused(f"{path}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", str(block.get("name", ""))) or not isinstance(block.get("input"), dict):
        raise Refused(f"{path}.tool_use: name or input is not valid")


def _check_source(block: JsonObject, path: str) -> None:
    source = member(block, "source")
    if source.get("type") == "text" and block["type"] == "document":
        if not str(source.get("data", "")).strip():
            raise Refused(f"{path}.source.data: must be non-empty")
        return
    if source.get("type") != "base64":
        raise Refused(f"{path}.source: only base64 sources are supported on Vertex AI")
    try:
        kind = images.kind_of(base64.b64decode(source.get("data", ""), validate=True))
    except ValueError as error:
        raise Refused(f"{path}.source.base64.data: not valid base64") from error
    told = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WebP", "application/pdf": "PDF"}
    if told.get(source.get("media_type", "")) != kind:
        raise Refused(f"{path}.source.base64: the media type {source.get('media_type')} does not match the content")
    if (block["type"] == "document") != (kind == "PDF"):
        raise Refused(f"{path}: wrong kind of block for this content")


def _check_system(body: JsonObject) -> None:
    for number, block in enumerate(blocks_of(body["system"]) if "system" in body else []):
        if block.get("type") != "text":
            raise Refused(f"system.{number}: Input should be a text block")
        _check_block(block, f"system.{number}")


def _check_pairs(messages: Sequence[JsonObject]) -> None:
    before: JsonObject | None = None
    for index, message in enumerate(messages):
        role = message["role"]
        content = blocks_of(message["content"])
        if role == "system":
            following = messages[index + 1]["role"] if index + 1 < len(messages) else "assistant"
            if before is None or before["role"] != "user" or following != "assistant":
                raise Refused(f"messages.{index}: a system message must follow a user turn and precede an assistant turn")
            continue
        if before is None and role != "user":
            raise Refused('messages: first message must use the "user" role')
        used = [block["id"] for block in blocks_of(before["content"]) if block["type"] == "tool_use"] if before else []
        results = [block.get("tool_use_id") for block in content if block["type"] == "tool_result"]
        if missing := [one for one in used if one not in results]:
            raise Refused(
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}."
            )
        if extra := [one for one in results if one not in used]:
            raise Refused(f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {extra[0]}.")
        if len(set(results)) < len(results):
            raise Refused(f"messages.{index}: each tool_use must have a single result. Found multiple `tool_result` blocks.")
        kinds = [block["type"] == "tool_result" for block in content]
        if any(kinds) and kinds != sorted(kinds, reverse=True):
            raise Refused(f"messages.{index}: tool_result blocks must come first in the content")
        before = message
    if before is not None and any(block["type"] == "tool_use" for block in blocks_of(before["content"])):
        raise Refused("messages: `tool_use` ids were found without `tool_result` blocks immediately after")


def _check_end(body: JsonObject, messages: Sequence[JsonObject], family: ClaudeFamily) -> None:
    last = messages[-1]
    if last["role"] != "assistant":
        return
    if not family.prefill:
        raise Refused("This model does not support assistant message prefill. The conversation must end with a user message.")
    if member(body, "thinking").get("type") == "enabled" or "format" in member(body, "output_config"):
        raise Refused("Prefill is not supported together with thinking or an output format.")
    text = blocks_of(last["content"])[-1].get("text", "")
    if text != text.rstrip():
        raise Refused("messages: final assistant content cannot end with trailing whitespace")


def _check_tools(body: JsonObject, family: ClaudeFamily) -> None:
    tools = members(body, "tools")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        name = str(tool.get("name", ""))
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", name):
            raise Refused(f"tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if name in names:
            raise Refused("tools: Tool names must be unique.")
        names.add(name)
        if "type" not in tool or tool["type"] == "custom":
            schema = tool.get("input_schema")
            if not isinstance(schema, dict) or cast("JsonObject", schema).get("type") != "object":
                raise Refused(f"tools.{index}.custom.input_schema.type: Input should be 'object'")
            if cast("JsonObject", schema).keys() & {"anyOf", "oneOf", "allOf"}:
                raise Refused(
                    f"tools.{index}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
                )
            if tool.get("strict"):
                check_format(cast("JsonObject", schema), f"tools.{index}.custom.input_schema")
    uses = [block for message in body["messages"] for block in blocks_of(message["content"]) if block["type"] == "tool_use"]
    if uses and not tools:
        raise Refused("Requests which include `tool_use` or `tool_result` blocks must define tools")
    _check_choice(body, names, family)


def _check_choice(body: JsonObject, names: set[str], family: ClaudeFamily) -> None:
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type")
    if not names or kind not in ("auto", "any", "tool", "none"):
        raise Refused("tool_choice: may only be specified while providing tools")
    if kind == "none" and "disable_parallel_tool_use" in choice:
        raise Refused("tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted")
    if kind == "tool" and choice.get("name") not in names:
        raise Refused(f"tool_choice.tool.name: tool '{choice.get('name')}' not found in provided tools")
    if kind in ("any", "tool"):
        if not family.forced:
            raise Refused('tool_choice: type "tool" and "any" are not supported for this model')
        if member(body, "thinking").get("type") == "enabled":
            raise Refused("Thinking may not be enabled when tool_choice forces tool use.")


def _check_sampling(body: JsonObject, family: ClaudeFamily) -> None:
    sampling = "none" if body["anthropic_version"] == "2026-10-21" else family.sampling
    given = [name for name in ("temperature", "top_p", "top_k") if name in body]
    if sampling == "none" and any(not (name == "temperature" and body[name] == 1) for name in given):
        raise Refused(f"`{given[0]}` is not supported for this model")
    if sampling == "one" and {"temperature", "top_p"} <= set(given):
        raise Refused("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if not 0 <= body.get("temperature", 1) <= 1:
        raise Refused("temperature: range: 0..1")
    if body["max_tokens"] > family.output:
        raise Refused(f"max_tokens: {body['max_tokens']} > {family.output}, which is the maximum allowed number of output tokens")
    for stop in values(body, "stop_sequences"):
        if not stop.strip():
            raise Refused("stop_sequences: each stop sequence must contain non-whitespace")


def _check_thinking(body: JsonObject, messages: Sequence[JsonObject], family: ClaudeFamily) -> None:
    thinking = member(body, "thinking")
    effort = member(body, "output_config").get("effort")
    if effort is not None and effort not in family.efforts:
        raise Refused(
            "output_config.effort: Extra inputs are not permitted" if not family.efforts else f"output_config.effort: '{effort}'"
        )
    kind = thinking.get("type")
    allowed = [*(["enabled"] if family.manual else []), *(["adaptive"] if family.adaptive else []), *family.off]
    if kind is not None and kind not in allowed:
        raise Refused(f"thinking.type: '{kind}' is not supported for this model")
    off = kind in ("disabled", "between_tools") or (kind is None and not family.default_on)
    if effort in ("xhigh", "max") and off:
        raise Refused(f"effort '{effort}' is not supported when thinking is disabled on this model")
    if kind == "between_tools" and len(thinking) > 1:
        raise Refused("thinking.between_tools: Extra inputs are not permitted")
    if kind == "enabled":
        budget = thinking.get("budget_tokens", 0)
        if budget < 1024:
            raise Refused("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= body["max_tokens"]:
            raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
        if "top_k" in body or body.get("temperature", 1) != 1:
            raise Refused("`temperature` may only be set to 1 when thinking is enabled.")
        _check_loop(messages)
    if "format" in member(body, "output_config"):
        check_format(body["output_config"]["format"].get("schema") or {}, "output_config.format.schema")


def _check_loop(messages: Sequence[JsonObject]) -> None:
    """The assistant turn of a running tool loop must begin with thinking."""
    if not any(block["type"] == "tool_result" for block in blocks_of(messages[-1]["content"])):
        return
    index = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    first = blocks_of(messages[index]["content"])[0]["type"]
    if first not in ("thinking", "redacted_thinking"):
        raise Refused(f"messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`.")


def check_format(schema: JsonObject, path: str) -> None:
    """Refuse schemas outside the subset of structured outputs."""
    for name in schema:
        if name not in _SCHEMA:
            raise Refused(f"{path}: For '{schema.get('type')}' type, property '{name}' is not supported")
    kinds = schema.get("type")
    is_object = kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
    if is_object and schema.get("additionalProperties") is not False:
        raise Refused(f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    if schema.get("minItems", 0) > 1:
        raise Refused(f"{path}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if "format" in schema and schema["format"] not in _FORMATS:
        raise Refused(f"{path}: format '{schema['format']}' is not supported")
    if "$ref" in schema and not str(schema["$ref"]).startswith("#/$defs/"):
        raise Refused(f"{path}: external $ref is not supported")
    for inner, here in inner_schemas(schema, path):
        if here != f"{path}.additionalProperties":
            check_format(cast("JsonObject", inner), here)


def marks(body: JsonObject) -> list[JsonObject]:
    """Return all cache marks in the order that counts."""
    holders = [*(members(body, "tools")), *(blocks_of(body["system"]) if "system" in body else [])]
    for message in body["messages"]:
        holders += blocks_of(message["content"])
    found = [holder["cache_control"] for holder in holders if "cache_control" in holder]
    return [*found, body["cache_control"]] if "cache_control" in body else found


def _check_marks(body: JsonObject) -> None:
    found = marks(body)
    if len(found) > 4:
        raise Refused(f"A maximum of 4 blocks with cache_control may be provided. Found {len(found)}.")
    short = False
    for mark in found:
        if mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"):
            raise Refused("cache_control: Input should be ephemeral with a ttl of 5m or 1h")
        if mark.get("ttl") == "1h" and short:
            raise Refused("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")
        short = short or mark.get("ttl", "5m") == "5m"


def prefix_of(body: JsonObject, count: int) -> JsonValue:
    """Return all that stands before a message, marks of the cache left out."""
    messages = [[message["role"], _unmarked(blocks_of(message["content"]))] for message in body["messages"][:count]]
    return [_unmarked(blocks_of(body["system"]) if "system" in body else []), _unmarked(members(body, "tools")), messages]


def _unmarked(holders: Sequence[JsonObject]) -> list[JsonObject]:
    return [{name: value for name, value in one.items() if name != "cache_control"} for one in holders]


def signature(body: JsonObject, family: ClaudeFamily, count: int, thinking: str) -> str:
    """Sign thinking that stands in the message after the first `count`."""
    return signatures.sign("claude", thinking, prefix_of(body, count) if family.binds else "")


def _check_signatures(body: JsonObject, messages: Sequence[JsonObject], family: ClaudeFamily) -> None:
    for index, message in enumerate(messages):
        for number, block in enumerate(blocks_of(message["content"]) if message["role"] == "assistant" else []):
            if block["type"] != "thinking" or block.get("signature") == signature(body, family, index, block.get("thinking", "")):
                continue
            if not block.get("thinking") and signatures.is_base64(str(block.get("signature", ""))) and not family.binds:
                continue  # what was thought was not shown
            raise Refused(
                f"messages.{index}.content.{number}: Invalid `signature` in `thinking` block. "
                "The block is bound to a different conversation. "
                'Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
            )
