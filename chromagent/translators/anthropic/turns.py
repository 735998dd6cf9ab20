"""Messages in the order in which they count, and the turns that they become. Hides what may stand between a call and its results.

Source: wire-anthropic §2.3.1.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, cast

import msgspec

from chromagent.codec import JsonObject, JsonValue
from chromagent.schema import reading
from chromagent.schema.reading import Place, Step, wrong_value
from chromagent.translators.anthropic.thinking import KeptThinking
from chromagent.translators.anthropic.wire import Block

_ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "function",
}
_ANSWERS: Final = ("tool", "function")


class Turn(msgspec.Struct):
    """One message of Anthropic's. Results of a user turn come before everything else."""

    role: str
    index: int
    """Index of the first message that it comes from."""
    blocks: list[Block] = []
    results: list[Block] = []
    calls: dict[str, str] = {}
    """Of an assistant turn: the client's ids of its calls, and those that are sent."""
    legacy: dict[str, deque[str]] = {}
    """Ids of deprecated calls by name, those without a result yet."""
    remembered: KeptThinking | None = None
    """Thinking that the gateway kept, as the client brought none."""

    @property
    def content(self) -> list[Block]:
        """All blocks in the order that Anthropic wants."""
        return self.results + self.blocks


class Conversation(msgspec.Struct):
    """What a request says, in Anthropic's terms."""

    system: list[Block]
    turns: list[Turn]


class Item(msgspec.Struct):
    """One message of the client's."""

    index: int
    role: str
    message: JsonObject
    following: str = ""
    """Of a system message within the conversation: the role of the next message that is none; empty at the end."""

    @property
    def place(self) -> Place:
        """Where it stands in the request."""
        return Place(("messages", self.index), dotted=True)

    def text(self, name: str) -> str:
        """Read a member that must be there. Raises `InvalidRequest`."""
        return self.text_of(self.message, name)

    def array(self, name: str) -> Sequence[JsonValue]:
        """Read a list; none where it is not given. Raises `InvalidRequest`."""
        value = self.message.get(name)
        if isinstance(value, list):
            return cast("list[JsonValue]", value)
        return reading.optional(self.message, name, reading.array, self.place) or ()

    def text_of(self, holder: JsonObject, name: str, *steps: Step) -> str:
        """Read a member of what the message holds at `steps`. Raises `InvalidRequest`."""
        value = holder.get(name)
        return value if isinstance(value, str) else reading.required(holder, name, reading.text, self.place.at(*steps))

    def object_of(self, holder: JsonObject, name: str, *steps: Step) -> JsonObject:
        """Read a member that is an object."""
        value = holder.get(name)
        if isinstance(value, dict):
            return cast("JsonObject", value)
        return reading.required(holder, name, reading.mapping, self.place.at(*steps))


def read_items(messages: Sequence[JsonObject]) -> list[Item]:
    """Read who speaks. Raises `InvalidRequest`."""
    items: list[Item] = []
    for index, message in enumerate(messages):
        item = Item(index, "", message)
        given = item.text("role")
        item.role = _ROLES.get(given, "")
        if not item.role:
            raise wrong_value(item.place.at("role"), f"'{given[:50]}' is not a role.")
        items.append(item)
    return items


def in_order(items: list[Item]) -> list[Item]:
    """Put system messages where they may stand, and tell them who speaks next."""
    if all(item.role != "system" for item in items):
        return items
    ordered = _behind_results(items)
    role = ""
    for item in reversed(ordered):
        item.following = role
        if item.role != "system":
            role = item.role
    return ordered


def _behind_results(items: list[Item]) -> list[Item]:
    """Move system messages that stand between a call and its results behind the last of these."""
    ordered: list[Item] = []
    position = 0
    while position < len(items):
        item = items[position]
        ordered.append(item)
        position += 1
        if item.role != "assistant" or not (item.message.get("tool_calls") or item.message.get("function_call")):
            continue
        end = next((later for later in range(position, len(items)) if items[later].role == "assistant"), len(items))
        span = items[position:end]
        last = max((index for index, one in enumerate(span) if one.role in _ANSWERS), default=-1)
        before = span[: last + 1]
        ordered += [one for one in before if one.role != "system"]
        ordered += [one for one in before if one.role == "system"]
        ordered += span[last + 1 :]
        position = end
    return ordered
