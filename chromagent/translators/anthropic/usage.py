"""Anthropic's counters → OpenAI's. Hides that they come in pieces, and over several answers to one request.

Source: wire-anthropic §3.6: all prompt tokens count, cached ones included.
"""

from collections.abc import Iterable

from chromagent.codec import JsonObject
from chromagent.translators.lenient import count, member


class UsageCounter:
    """Counters of one request: within one upstream answer the last value of a field wins, over several answers they add up."""

    def __init__(self) -> None:
        self._answers: list[JsonObject] = [{}]

    def take(self, usage: JsonObject) -> None:
        """Take one `usage`. A field that is missing or null says nothing."""
        self._answers[-1].update({name: value for name, value in usage.items() if value is not None})

    def next_answer(self) -> None:
        """The next counters belong to another upstream answer to the same request."""
        self._answers.append({})

    def usage(self) -> JsonObject:
        """Return OpenAI's usage object."""
        fresh = read = written = completion = 0
        thinking: list[int] = []
        searches: list[int] = []
        for answer in self._answers:
            fresh += count(answer, "input_tokens")
            read += count(answer, "cache_read_input_tokens")
            written += count(answer, "cache_creation_input_tokens")
            completion += count(answer, "output_tokens")
            thinking += _detail(answer, "output_tokens_details", "thinking_tokens")
            searches += _detail(answer, "server_tool_use", "web_search_requests")
        prompt = fresh + read + written
        usage: JsonObject = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        }
        if thinking:
            usage["completion_tokens_details"] = {"reasoning_tokens": sum(thinking)}
        if any(searches):
            usage["server_tool_use"] = {"web_search_requests": sum(searches)}
        return usage


def total_tokens(bodies: Iterable[JsonObject]) -> int:
    """Return the tokens that whole answers report together; nothing for what is not understood."""
    counter = UsageCounter()
    for body in bodies:
        counter.take(member(body, "usage"))
        counter.next_answer()
    return counter.usage()["total_tokens"]


def _detail(answer: JsonObject, group: str, name: str) -> list[int]:
    """Return a counter of a group, if the answer tells it."""
    if group not in answer or name not in (counters := member(answer, group)):
        return []
    return [count(counters, name)]
