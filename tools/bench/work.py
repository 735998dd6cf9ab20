"""What is asked of every candidate: OpenAI requests as bytes. The same body goes to all of them, the floor included."""

import json
from typing import Any, Final

from chromagent.codec import JsonObject

SENTENCE: Final = "The quick brown fox jumps over the lazy dog, and the dog does not mind it at all. "


def small() -> JsonObject:
    """One question."""
    return {"messages": [{"role": "user", "content": SENTENCE}]}


def agent() -> JsonObject:
    """An agent in the middle of its work: 20 messages, among them calls of 5 tools with their results."""
    return {"messages": history(20), "tools": [tool(number) for number in range(5)]}


def history(length: int) -> list[JsonObject]:
    """A conversation of so many messages: questions, answers, calls and results in turn, a question at its end."""
    question: JsonObject = {"role": "user", "content": SENTENCE}
    if length == 1:
        return [question]
    turns = [message for number in range(length // 4) for message in _turn(number)][: (length - 2) // 4 * 4]
    questions = [question] * (length - 1 - len(turns))
    return [{"role": "system", "content": SENTENCE * 4}, *turns, *questions]


def _turn(number: int) -> list[JsonObject]:
    call = {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": f"look_up_{number % 5}", "arguments": '{"query":"fox"}'},
    }
    return [
        {"role": "user", "content": SENTENCE},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call_{number}", "content": json.dumps({"found": SENTENCE * 2})},
        {"role": "assistant", "content": SENTENCE * 2},
    ]


def tool(number: int) -> JsonObject:
    """A function with the usual kinds of parameters."""
    properties: dict[str, Any] = {
        "query": {"type": "string", "description": "What to look for"},
        "limit": {"type": "integer", "description": "How many at most", "minimum": 1, "maximum": 100},
        "kind": {"type": "string", "enum": ["mammal", "bird", "fish"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "range": {"type": "object", "properties": {"from": {"type": "number"}, "to": {"type": "number"}}, "required": ["from"]},
    }
    parameters = {"type": "object", "properties": properties, "required": ["query"], "additionalProperties": False}
    return {
        "type": "function",
        "function": {"name": f"look_up_{number}", "description": "Looks animals up. " * 3, "parameters": parameters},
    }
