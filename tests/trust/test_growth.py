"""What a caller sends costs work in proportion to its size. Measured as a ratio of CPU times, each the best of three."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from chromagent import codec
from chromagent.errors import GatewayError
from tests.support import translating

USER: dict[str, Any] = {"role": "user", "content": "x"}
OBJECT: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
SMALL, FACTOR, ALLOWED = 500, 8, 24
"""Eight times the size may cost 24 times as much: far from the 64 of a square, and far from the machine's noise."""


def call(number: int, name: str = "f") -> dict[str, Any]:
    return {"id": f"a{number}", "type": "function", "function": {"name": name, "arguments": "{}"}}


def result(number: int) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"a{number}", "content": "x"}


def asking(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def with_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [USER], "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}


def with_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [USER], "response_format": {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}}}


def chain(n: int) -> dict[str, Any]:
    links = {f"d{i}": {"type": "object", "properties": {"a": {"$ref": f"#/$defs/d{i + 1}"}}} for i in range(n)}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**links, f"d{n}": {"type": "string"}}}


def cycles(n: int) -> dict[str, Any]:
    both = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{(i + 1) % n}"}, {"$ref": "#/$defs/d0"}]} for i in range(n)}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": both}


def properties(n: int, start: int = 0) -> dict[str, Any]:
    names = [f"p{i}" for i in range(start, start + n)]
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}


SHAPES: dict[str, Callable[[int], dict[str, Any]]] = {
    "turns": lambda n: {"messages": [USER, {"role": "assistant", "content": "y"}] * n + [USER]},
    "system messages between": lambda n: {"messages": [{"role": "system", "content": "s"}, USER] * n},
    "parts": lambda n: {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * n}]},
    "calls of one message": lambda n: {"messages": [USER, asking(*map(call, range(n))), *map(result, range(n))]},
    "calls one after the other": lambda n: {"messages": [USER, *[m for i in range(n) for m in (asking(call(i)), result(i))]]},
    "calls, all results at the end": lambda n: {
        "messages": [USER, *[asking(call(i)) for i in range(n)], *map(result, range(n))],
    },
    "calls with one id": lambda n: {"messages": [USER, *[asking(call(0)), result(0)] * n]},
    "calls of tools of other names": lambda n: {
        "messages": [USER, asking(*[call(i, f"f{i}") for i in range(n)]), *map(result, range(n))]
    },
    "functions of the deprecated form": lambda n: {
        "messages": [
            USER,
            *[{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}] * n,
            *[{"role": "function", "name": "f", "content": "x"}] * n,
        ]
    },
    "signatures in details": lambda n: {
        "messages": [
            USER,
            asking(
                *map(call, range(n)),
                reasoning_details=[{"type": "reasoning.encrypted", "id": f"a{i}", "data": "U0lH"} for i in range(n)],
            ),
            *map(result, range(n)),
        ]
    },
    "unknown fields": lambda n: {"messages": [USER], **{f"k{i}": 1 for i in range(n)}},
    "betas": lambda n: {"messages": [USER], "betas": [f"b{i}" for i in range(n)]},
    "properties": lambda n: with_schema(properties(n)),
    "an enum": lambda n: with_schema({"type": "object", "properties": {"a": {"enum": [f"e{i}" for i in range(n)]}}}),
    "two enums": lambda n: with_schema(
        {
            "type": "object",
            "properties": {"a": {"allOf": [{"enum": [f"{side}{i}" for i in range(n)]} for side in ("e", "f")]}},
        }
    ),
    "alternatives": lambda n: with_schema({"type": "object", "anyOf": [properties(1, i) for i in range(n)]}),
    "alternatives beside properties": lambda n: with_schema({**properties(n), "anyOf": [properties(1, i) for i in range(n)]}),
    "all of many": lambda n: with_schema({"type": "object", "properties": {"a": {"allOf": [properties(1, i) for i in range(n)]}}}),
    "definitions in a chain": lambda n: with_schema(chain(n)),
    "definitions in cycles": lambda n: with_schema(cycles(n)),
    "pointers that end alike": lambda n: with_schema(
        {
            "type": "object",
            "properties": {f"p{i}": {"$ref": f"#/$defs/d{i}/properties/a"} for i in range(n)},
            "$defs": {f"d{i}": OBJECT for i in range(n)},
        }
    ),
    "anchors": lambda n: with_schema(
        {
            "type": "object",
            "properties": {f"p{i}": {"$ref": f"#a{i}"} for i in range(n)},
            "$defs": {f"d{i}": {"$anchor": f"a{i}", "type": "string"} for i in range(n)},
        }
    ),
    "a format with properties": lambda n: with_format(properties(n)),
    "a format with definitions in a chain": lambda n: with_format(chain(n)),
    "a format with all of many": lambda n: with_format(
        {"type": "object", "properties": {"a": {"allOf": [properties(1, i) for i in range(n)]}}}
    ),
}


def cost(make: Callable[..., Any], model: str, request: dict[str, Any]) -> float:
    """CPU seconds, the best of three; a refusal may cost no more than a translation."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        try:
            codec.encode(make(model=model, **request).body)
        except GatewayError as error:
            assert error.status == 400
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("make", "model"),
    [(translating.gemini, "gemini-3.8-flash"), (translating.anthropic, "claude-sonnet-4-6")],
    ids=["gemini", "claude"],
)
def test_work_grows_with_the_size_of_what_was_sent(make: Callable[..., Any], model: str, shape: str) -> None:
    small = max(cost(make, model, SHAPES[shape](SMALL)), 0.002)
    assert cost(make, model, SHAPES[shape](SMALL * FACTOR)) < ALLOWED * small
