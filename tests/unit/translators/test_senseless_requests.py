"""Requests with something wrong anywhere in them: a 400 that names a field, or a translation; never a fault of ours."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromagent import codec
from chromagent.errors import GatewayError
from tests.support import translating

SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}, "required": ["a"]}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
RICH: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "q"}, IMAGE, {"type": "file", "file": {"file_data": "JVBERi0xLjQK"}}],
        },
        {
            "role": "assistant",
            "content": "so",
            "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "U0lH", "index": 0}],
            "reasoning_details": [{"type": "reasoning.encrypted", "id": "a", "data": "U0lH", "index": 0}],
            "anthropic_content": [{"type": "text", "text": "so"}],
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": "x"}'},
                    "extra_content": {"google": {"thought_signature": "U0lH"}},
                },
                {"id": "b", "type": "custom", "custom": {"name": "s", "input": "i"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "r"}, IMAGE]},
        {"role": "tool", "tool_call_id": "b", "content": '{"x": 1}', "is_error": True},
        {"role": "assistant", "content": None, "refusal": "no", "audio": {"id": "x"}, "function_call": None},
        {"role": "user", "content": "more"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}},
        {"type": "custom", "custom": {"name": "s", "format": {"type": "text"}}},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
    },
    "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMA, "strict": True}},
    "stop": ["END"],
    "metadata": {"a": "b"},
    "modalities": ["text"],
    "audio": {"voice": "alloy", "format": "wav"},
    "stream": True,
    "stream_options": {"include_usage": True},
    "reasoning": {"effort": "low", "exclude": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "extra_body": {"google": {"thinking_config": {"include_thoughts": True}, "generation_config": {"seed": 1}}},
    "labels": {"a": "b"},
    "safety_settings": [{"category": "x", "threshold": "y"}],
    "output_config": {"effort": "low"},
    "context_management": {"edits": [{"type": "x"}]},
    "web_search_options": {"search_context_size": "low", "user_location": {"type": "approximate", "approximate": {"city": "Oslo"}}},
    "cache_control": {"type": "ephemeral"},
    "prompt_cache_options": {"mode": "implicit", "ttl": "30m"},
    "betas": ["x"],
    "prediction": {"type": "content", "content": "x"},
    "user": "u",
    "service_tier": "flex",
}
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 2**64),
        st.floats(-3, 3),
        st.sampled_from(["", "x", "auto", "data:,", "https://h/x", "gs://b/a", "text", "a" * 300]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["type", "text", "name", "function", "id", "$ref"]), inner, max_size=3),
    ),
    max_leaves=5,
)


def shaken(document: Any, draw: Any) -> Any:
    """The same with one member somewhere left out or replaced by junk."""
    if isinstance(document, dict) and document and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(document)))
        if not draw(st.integers(0, 5)):
            return {key: value for key, value in document.items() if key != name}
        return {**document, name: shaken(document[name], draw)}
    if isinstance(document, list) and document and draw(st.integers(0, 4)):
        index = draw(st.integers(0, len(document) - 1))
        return [*document[:index], shaken(document[index], draw), *document[index + 1 :]]
    return draw(JUNK)


@pytest.mark.parametrize("rail", ["gemini", "anthropic"])
@given(data=st.data())
@settings(max_examples=600, deadline=None)
def test_a_request_with_something_wrong_in_it(rail: str, data: st.DataObject) -> None:
    names = data.draw(st.sets(st.sampled_from(sorted(set(RICH) - {"messages"})), max_size=6))
    request = {name: RICH[name] for name in ("messages", *sorted(names))}
    for _ in range(data.draw(st.integers(1, 2))):
        request = shaken(request, data.draw)
        if not isinstance(request, dict):
            return
    make = translating.gemini if rail == "gemini" else translating.anthropic
    models = (
        ["gemini-3.8-flash", "gemini-2.5-flash"]
        if rail == "gemini"
        else ["claude-sonnet-4-6", "claude-opus-5-5", "claude-haiku-4-5"]
    )
    try:
        body = make(**{"model": data.draw(st.sampled_from(models)), **request}).body
    except GatewayError as error:
        assert error.status in (400, 404)
        assert error.param is not None
    else:
        codec.encode(body)
