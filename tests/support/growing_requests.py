"""Chat requests that grow at one place: every field and every nested place of a few requests, which together have every feature.

A place is grown in the ways that its value allows. A list: the same item again, numbered items, items whose names differ only where
they are cut off. An object: more members. A text: letters, and the marks that the gateway looks for in texts. Anything: deeper.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Json = Any
Request = dict[str, Any]
Path = tuple[str | int, ...]

USER: Request = {"role": "user", "content": "x"}
EPHEMERAL = {"type": "ephemeral"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: Request = {
    "type": "object",
    "description": "d",
    "properties": {
        "a": {"type": "string", "enum": ["e", "f"], "default": "e"},
        "b": {"$ref": "#/$defs/d"},
        "c": {"type": ["string", "null"]},
    },
    "required": ["a"],
    "$defs": {"d": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}},
}


def call(number: int = 0, name: str = "f", **more: Json) -> Request:
    return {"id": f"a{number}", "type": "function", "function": {"name": name, "arguments": '{"x": 1}'}, **more}


def result(number: int = 0) -> Request:
    return {"role": "tool", "tool_call_id": f"a{number}", "content": "y"}


def asking(*calls: Request, **more: Json) -> Request:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def with_schema(schema: Request, **more: Json) -> Request:
    return {"messages": [USER], "tools": [{"type": "function", "function": {"name": "f", "parameters": schema, **more}}]}


def with_format(schema: Request) -> Request:
    return {"messages": [USER], "response_format": {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}}}


BASES: dict[str, Request] = {
    "turns": {
        "messages": [
            {"role": "system", "content": "s"},
            USER,
            {"role": "assistant", "content": "y"},
            {"role": "developer", "content": "s"},
            USER,
        ]
    },
    "parts": {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": EPHEMERAL}]},
            {
                "role": "user",
                "name": "n",
                "content": [
                    {"type": "text", "text": "x", "cache_control": EPHEMERAL},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
                    {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,eHl6"}},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "y"}, {"type": "refusal", "refusal": "no"}]},
            USER,
        ]
    },
    "calls": {
        "messages": [
            USER,
            asking(call(), {"id": "a1", "type": "custom", "custom": {"name": "g", "input": "i"}}, cache_control=EPHEMERAL),
            result(),
            {"role": "tool", "tool_call_id": "a1", "content": [{"type": "text", "text": "y"}], "cache_control": EPHEMERAL},
            asking(call(2)),
            result(2),
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
                "cache_control": EPHEMERAL,
            },
            {"type": "custom", "custom": {"name": "g", "description": "d"}},
        ],
    },
    "signed calls": {
        "messages": [
            USER,
            asking(
                call(
                    extra_content={"google": {"thought_signature": "U0lH"}}, provider_specific_fields={"thought_signature": "U0lH"}
                ),
                reasoning_details=[{"type": "reasoning.encrypted", "id": "a0", "data": "U0lH", "index": 0}],
                thinking_blocks=[
                    {"type": "thinking", "thinking": "t", "signature": "U0lH"},
                    {"type": "redacted_thinking", "data": "U0lH"},
                ],
                extra_content={"google": {"thought_signature": "U0lH"}},
            ),
            result(),
        ]
    },
    "content of Claude": {
        "messages": [
            USER,
            asking(
                call(),
                content="t",
                anthropic_content=[
                    {"type": "thinking", "thinking": "t", "signature": "U0lH"},
                    {"type": "text", "text": "t"},
                    {"type": "tool_use", "id": "a0", "name": "f", "input": {"x": 1}},
                ],
                annotations=[{"type": "url_citation", "url_citation": {"url": "https://x.test", "title": "t"}}],
            ),
            result(),
        ]
    },
    "functions": {
        "messages": [
            USER,
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "x"},
        ],
        "functions": [{"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}],
    },
    "choice": {
        **with_schema(SCHEMA),
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
        },
    },
    "schema": with_schema(SCHEMA, strict=True),
    "combined schema": with_schema(
        {
            "$defs": {
                "d": {
                    "type": "object",
                    "properties": {"a": {"type": "string"}, "r": {"$ref": "#/$defs/d"}},
                    "required": ["a"],
                    "description": "d",
                }
            },
            "type": "object",
            "properties": {
                "p": {"allOf": [{"$ref": "#/$defs/d"}, {"properties": {"b": {"enum": ["x", "y"]}}}]},
                "q": {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/d"}]},
            },
            "allOf": [
                {"$ref": "#/$defs/d"},
                {"type": "object", "properties": {"c": {"type": "string"}}, "required": ["c"], "allOf": [{"type": "object"}]},
            ],
        }
    ),
    "alternatives": with_schema(
        {
            "type": "object",
            "properties": {"z": {"type": "string"}},
            "required": ["z"],
            "anyOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}},
                {"type": "object", "properties": {"b": {"type": "string"}}},
            ],
        }
    ),
    "format": with_format(SCHEMA),
    "combined format": with_format(
        {
            "type": "object",
            "properties": {
                "a": {
                    "allOf": [
                        {"type": "object", "properties": {"b": {"type": "string"}}},
                        {"type": "object", "properties": {"c": {"type": "string"}}},
                    ]
                }
            },
        }
    ),
    "settings": {
        "messages": [USER],
        "stop": ["s"],
        "metadata": {"k": "v"},
        "user": "u",
        "safety_identifier": "u",
        "prediction": {"type": "content", "content": "c"},
        "modalities": ["text"],
        "stream_options": {"include_usage": True},
        "stream": True,
        "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "implicit"},
        "unknown_field": {"k": ["v"]},
    },
    "logit bias": {"messages": [USER], "logit_bias": {"1": 1}},
    "web search": {
        "messages": [USER],
        "web_search_options": {
            "search_context_size": "low",
            "user_location": {"type": "approximate", "approximate": {"city": "c"}},
        },
    },
    "extensions of Gemini": {
        "messages": [USER],
        "labels": {"k": "v"},
        "safety_settings": [{"category": "c", "threshold": "t"}],
        "extra_body": {"google": {"generation_config": {"topK": 1}, "thought_tag_marker": "m", "image_config": {"k": "v"}}},
    },
    "extensions of Claude": {
        "messages": [USER],
        "cache_control": EPHEMERAL,
        "anthropic_beta": ["b"],
        "betas": ["c"],
        "stop_sequences": ["s"],
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "output_config": {"effort": "low"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "extra_body": {"top_k": 1},
    },
    "reasoning": {"messages": [USER], "reasoning": {"effort": "low"}, "include_reasoning": True},
}
"""Requests that are taken by at least one vendor."""

MARKS = ("a", "__cg1_x_", "__thought__A", '{"a":', "data:;base64,", "\ud800")
"""Texts that something looks for, or that decoding treats in a way of its own."""
NAMES = frozenset({"id", "name", "tool_call_id", "url", "filename"})


class Growth(NamedTuple):
    """One way to grow one place. `make` returns a request of about so many bytes."""

    label: str
    make: Callable[[int], Request]


def growths(base: str) -> Iterator[Growth]:
    """Give every way to grow every place of one of the requests."""
    request = BASES[base]
    for path, value in places(request):
        for kind, grow in _ways(value):
            yield Growth(f"{'.'.join(map(str, path))}: {kind}", _maker(request, path, grow))


def _maker(request: Request, path: Path, grow: Callable[[int], Json]) -> Callable[[int], Request]:
    return lambda size: replaced(request, path, grow(size))


def places(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Give every place of a request but those that tell a kind, with its value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in members:
        if step not in ("type", "role", "mode"):
            yield (*path, step), inner
            yield from places(inner, (*path, step))


def replaced(holder: Json, path: Path, value: Json) -> Json:
    """Copy a request with another value at one place."""
    if not path:
        return value
    changed = copy.copy(holder)
    changed[path[0]] = replaced(holder[path[0]], path[1:], value)
    return changed


def _size(value: Json) -> int:
    return len(json.dumps(value)) + 2


def _ways(value: Json) -> Iterator[tuple[str, Callable[[int], Json]]]:
    if isinstance(value, str):
        for mark in MARKS:
            yield f"{mark!r} again and again", lambda size, mark=mark: mark * (size // len(mark)) + "!"
    elif isinstance(value, list):
        yield "the same again", lambda size: value * (size // _size(value) + 1)
        yield "numbered", lambda size: [one for number in range(size // _size(value) + 1) for one in _named(value, str(number))]
        yield (
            "colliding",
            lambda size: [
                one for number in range(size // (_size(value) + 64) + 1) for one in _named(value, "n" * 64 + str(number))
            ],
        )
    elif isinstance(value, dict) and value:
        member = next(iter(value.values()))
        yield "wide", lambda size: value | {f"k{number}": member for number in range(size // (_size(member) + 10))}
    if isinstance(value, list | dict):
        yield "deep", lambda size: _deep(value, size)


def _named(value: Json, ending: str) -> Json:
    """Copy with another ending to every name."""
    if isinstance(value, list):
        return [_named(one, ending) for one in value]
    if isinstance(value, dict):
        return {key: one + ending if key in NAMES and isinstance(one, str) else _named(one, ending) for key, one in value.items()}
    return value


def _deep(value: Json, size: int) -> Json:
    """Put a value into itself."""
    deep = value
    for _ in range(min(size // (_size(value) + 6), 180)):
        deep = [deep] if isinstance(value, list) else {**value, "a": deep}
    return deep
