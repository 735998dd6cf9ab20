"""Messages → system text and turns. Hides whose turn it is, where results belong, and what may stand between a call and its result.

Source: wire-anthropic §2.3. Rendering is append-only: what a message becomes never depends on later ones, except the answer to a
call.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias, cast

import msgspec

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place, Step, wrong_value
from chromagent.translators import sealing
from chromagent.translators.anthropic import caching, constants, media, thinking
from chromagent.translators.anthropic.media import MediaReader
from chromagent.translators.anthropic.names import IdMap, NameMap
from chromagent.translators.anthropic.thinking import KeptThinking
from chromagent.translators.anthropic.turns import Conversation, Item, Turn, in_order, read_items
from chromagent.translators.anthropic.wire import Block
from chromagent.translators.budget import StateBudget
from chromagent.translators.lenient import members, text
from chromagent.translators.protocol import Call

_PartReader: TypeAlias = Callable[[list[Block], JsonObject, Place, int], None]
"""Adds what a part becomes. Takes the place of all parts, and the part's position there."""


class _Calls(msgspec.Struct):
    """The calls of one message."""

    blocks: list[Block] = []
    ids: dict[str, str] = {}
    """The client's id, and the one that is sent."""
    legacy: dict[str, list[str]] = {}
    """Ids of deprecated calls by name."""


class ConversationReader:
    """Reads the messages of one request. Raises `InvalidRequest` with the place at fault."""

    def __init__(
        self, call: Call, reader: MediaReader, names: NameMap, *, family: str, system_messages: bool, repair: bool
    ) -> None:
        self._call = call
        self._media = reader
        self._names = names
        self._family = family
        self._system_messages = system_messages
        self._repair = repair
        self._ids = IdMap()
        self._state = StateBudget()
        self.ignored: list[str] = []
        """Names what a client brought that was left out."""
        self._turns: list[Turn] = []
        self._asking: Turn | None = None
        self._asking_at = 0
        """Where the asking turn stands among all turns."""
        self._answered: set[str] = set()
        """Ids of calls that have their result."""
        self._nobody_spoke = True

    def read(self) -> Conversation:
        """Read all messages."""
        items = read_items(self._call.request["messages"])
        first = next((position for position, item in enumerate(items) if item.role != "system"), len(items))
        self._nobody_spoke = first == len(items)
        system = [block for item in items[:first] for block in self._texts(item)]
        for item in in_order(items[first:]):
            if item.role == "system":
                self._read_system(item)
            elif item.role == "user":
                self._add_user(self._user_blocks(item), item.index)
            elif item.role == "assistant":
                self._read_assistant(item)
            else:
                self._read_answer(item)
        self._check_answers()
        return self._begun(system)

    def _begun(self, system: list[Block]) -> Conversation:
        """Make the conversation begin with the user, as it must (§2.3.2, rules 5 and 6)."""
        turns = self._turns
        if not turns and self._nobody_spoke and system:
            turns.append(Turn("user", 0, [system.pop()]))
        elif not turns and self._nobody_spoke:
            raise InvalidRequest("'messages' must hold a text.", param="messages")
        elif not turns:
            turns.append(Turn("user", 0, [{"type": "text", "text": constants.EMPTY}]))
        elif turns[0].role == "assistant":
            turns.insert(0, Turn("user", 0, [{"type": "text", "text": constants.START}]))
        return Conversation(system, turns)

    def _turn(self, role: str, index: int) -> Turn:
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(Turn(role, index))
        return self._turns[-1]

    def _add_user(self, blocks: list[Block], index: int) -> None:
        if blocks:
            self._turn("user", index).blocks += blocks

    def _read_system(self, item: Item) -> None:
        """A system message within the conversation stays where it is: hoisting it would rewrite the beginning of the prompt."""
        blocks = self._texts(item)
        if not blocks:
            return
        ends_turn = bool(self._turns) and self._turns[-1].role in ("user", "system")
        if self._system_messages and ends_turn and item.following in ("", "assistant"):
            self._turn("system", item.index).blocks += blocks
            return
        for block in blocks:
            block["text"] = f"{constants.SYSTEM_OPEN}{block.get('text', '')}{constants.SYSTEM_CLOSE}"
        self._add_user(blocks, item.index)

    def _texts(self, item: Item) -> list[Block]:
        return _marked_last(self._content(item, self._add_system_part), item.message)

    def _user_blocks(self, item: Item) -> list[Block]:
        return _marked_last(self._content(item, self._add_part), item.message)

    def _content(self, item: Item, add_part: _PartReader) -> list[Block]:
        """Read what a message holds: a text, or parts."""
        content = item.message.get("content")
        if isinstance(content, str):
            return [{"type": "text", "text": content}] if content.strip() else []
        blocks: list[Block] = []
        if content is not None:
            here = item.place.at("content")
            for position, part in enumerate(reading.parts(content, here)):
                add_part(blocks, part, here, position)
        return blocks

    def _add_system_part(self, blocks: list[Block], part: JsonObject, here: Place, position: int) -> None:
        if part["type"] != "text":
            raise wrong_value(here, "A system message may hold text only.")
        self._add_text(blocks, part, here.at(position))

    def _add_spoken_part(self, blocks: list[Block], part: JsonObject, here: Place, position: int) -> None:
        kind = part["type"]
        if kind in ("text", "refusal"):
            self._add_text(blocks, part, here.at(position), kind)
        elif kind not in thinking.KINDS:
            raise wrong_value(here.at(position, "type"), "An assistant message may hold text only.")

    def _add_part(self, blocks: list[Block], part: JsonObject, here: Place, position: int) -> None:
        kind, place = part["type"], here.at(position)
        if kind == "text":
            self._add_text(blocks, part, place)
            return
        if kind == "image_url":
            block = self._media.read_image(part, place)
        elif kind == "file":
            block = self._media.read_file(part, place)
        else:
            raise media.unsupported(kind, place)
        _add_marked(blocks, block, part)

    def _add_text(self, blocks: list[Block], part: JsonObject, place: Place, name: str = "text") -> None:
        """Add a text block, unless it is blank: Anthropic refuses those. Its mark then moves to what stands before."""
        content = reading.required(part, name, reading.text, place)
        _add_marked(blocks, {"type": "text", "text": content} if content.strip() else None, part)

    def _read_assistant(self, item: Item) -> None:
        spoken = self._spoken(item)
        calls = self._calls(item)
        blocks = self._with_verbatim(item.message, calls.blocks) or [*self._thinking(item.message), *spoken, *calls.blocks]
        if not blocks:
            return
        if not self._turns or self._turns[-1].role != "assistant":
            self._check_answers()
        turn = self._turn("assistant", item.index)
        if not turn.blocks and not _thinks(blocks):
            turn.remembered = self._remembered(item.message)
        turn.blocks += _marked_last(blocks, item.message)
        turn.calls |= calls.ids
        for name, identifiers in calls.legacy.items():
            turn.legacy.setdefault(name, deque()).extend(identifiers)
        self._asking, self._asking_at = turn, len(self._turns) - 1

    def _spoken(self, item: Item) -> list[Block]:
        blocks = self._content(item, self._add_spoken_part)
        refusal = item.message.get("refusal")
        if not blocks and isinstance(refusal, str) and refusal.strip():
            blocks.append({"type": "text", "text": refusal})
        return blocks

    def _thinking(self, message: JsonObject) -> list[Block]:
        if blocks := thinking.carried(message):
            return blocks
        for call in members(message, "tool_calls"):
            sealed = sealing.unseal(text(call, "id"), "claude").payload
            if sealed is not None and (blocks := self._unpacked(sealed)):
                return blocks
        return []

    def _unpacked(self, sealed: str) -> list[Block]:
        try:
            return thinking.unpack(sealed, self._state)
        except thinking.TooMuchStateError:
            self.ignored = ["tool_calls.id"]
            return []

    def _remembered(self, message: JsonObject) -> KeptThinking | None:
        identifier = next((text(call, "id") for call in members(message, "tool_calls")), "")
        if not identifier:
            return None
        return thinking.read_kept(self._call.reasoning_state.get(sealing.unseal(identifier, "claude").plain), self._family)

    def _with_verbatim(self, message: JsonObject, calls: list[Block]) -> list[Block]:
        """Return the content as Claude wrote it, with calls under the ids of this request."""
        waiting = iter(calls)
        return [
            next(waiting) if block.get("type") == "tool_use" else block
            for block in thinking.verbatim(message)
            if block.get("type") != "text" or text(cast("JsonObject", block), "text").strip()
        ]

    def _calls(self, item: Item) -> _Calls:
        calls = _Calls()
        if "tool_calls" in item.message:
            for position, given in enumerate(item.array("tool_calls")):
                self._add_call(calls, item, given, position)
        if "function_call" in item.message:
            self._add_legacy_call(calls, item)
        return calls

    def _add_call(self, calls: _Calls, item: Item, given: JsonValue, position: int) -> None:
        if not isinstance(given, dict):
            given = reading.mapping(given, item.place.at("tool_calls", position))
        call = cast("JsonObject", given)
        given_id = item.text_of(call, "id", "tool_calls", position)
        plain = sealing.unseal(given_id, "claude").plain
        if sealing.is_too_long(given_id, plain):
            raise sealing.too_long(item.place.at("tool_calls", position, "id"))
        if not plain or plain in calls.ids:
            fault = f"Two calls of one message have the id '{plain[:64]}'." if plain else "A tool call needs an id."
            raise wrong_value(item.place.at("tool_calls", position, "id"), fault)
        calls.ids[plain] = identifier = self._ids.claim(plain)
        name, arguments = _read_call(item, call, position)
        _add_marked(calls.blocks, self._tool_use(identifier, name, arguments), call)

    def _add_legacy_call(self, calls: _Calls, item: Item) -> None:
        call = reading.optional(item.message, "function_call", reading.mapping, item.place)
        if call is None:
            return
        name = item.text_of(call, "name", "function_call")
        plain = f"call_fc_{item.index}"
        calls.ids[plain] = identifier = self._ids.claim(plain)
        calls.legacy.setdefault(name, []).append(plain)
        calls.blocks.append(self._tool_use(identifier, name, read_arguments(call.get("arguments"), item, "function_call")))

    def _tool_use(self, identifier: str, name: str, arguments: JsonObject) -> Block:
        return {"type": "tool_use", "id": identifier, "name": self._names.there(name), "input": arguments}

    def _read_answer(self, item: Item) -> None:
        identifier, field = self._answer_to(item)
        asking = self._asking
        if asking is None or identifier not in asking.calls:
            message = "A message with role 'tool' must answer a 'tool_calls' id of the assistant message before it."
            raise wrong_value(item.place.at(field), message)
        turn = self._turn("user", item.index)
        sent = asking.calls[identifier]
        if sent in self._answered:
            return  # the first answer counts
        self._answered.add(sent)
        turn.results.append(self._result(item, sent))

    def _answer_to(self, item: Item) -> tuple[str, str]:
        """Return the id of the call that a message answers, and the field that tells it."""
        if item.role == "tool":
            given = item.text("tool_call_id")
            plain = sealing.unseal(given, "claude").plain
            if sealing.is_too_long(given, plain):
                raise sealing.too_long(item.place.at("tool_call_id"))
            return plain, "tool_call_id"
        name = item.text("name")
        waiting = self._asking.legacy.get(name) if self._asking is not None else None
        return (waiting.popleft() if waiting else "", "name")

    def _result(self, item: Item, identifier: str) -> Block:
        result: Block = {"type": "tool_result", "tool_use_id": identifier}
        content = item.message.get("content")
        if isinstance(content, str):
            if content.strip():
                result["content"] = content
        elif blocks := self._content(item, self._add_part):
            result["content"] = blocks
        if item.message.get("is_error") is True:
            result["is_error"] = True
        if (mark := caching.read_mark(item.message)) is not None:
            result["cache_control"] = mark
        return result

    def _check_answers(self) -> None:
        """Every call of the last assistant turn has its result, before anything else is said."""
        asking = self._asking
        if asking is None or not asking.calls:
            return
        missing = [name for name, sent in asking.calls.items() if sent not in self._answered]
        if not missing:
            return
        if not self._repair:
            raise wrong_value(
                Place(("messages", asking.index), dotted=True),
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
                f"Missing: {', '.join(missing)[:500]}.",
            )
        following = self._turns[self._asking_at + 1 :]
        turn = following[0] if following and following[0].role == "user" else self._turn("user", asking.index)
        for name in missing:
            result: Block = {
                "type": "tool_result",
                "tool_use_id": asking.calls[name],
                "content": constants.NO_RESULT,
                "is_error": True,
            }
            turn.results.append(result)


def _add_marked(blocks: list[Block], block: Block | None, source: JsonObject) -> None:
    mark = caching.read_mark(source)
    if block is not None:
        blocks.append(block)
    if mark is not None and blocks:
        blocks[-1]["cache_control"] = mark


def _marked_last(blocks: list[Block], message: JsonObject) -> list[Block]:
    """Put the mark of a whole message on its last block; thinking blocks never carry one."""
    mark = caching.read_mark(message)
    if mark is not None and blocks and blocks[-1].get("type") not in thinking.KINDS:
        blocks[-1].setdefault("cache_control", mark)
    return blocks


def _thinks(blocks: Iterable[Block]) -> bool:
    return any(block.get("type") in thinking.KINDS for block in blocks)


def _read_call(item: Item, call: JsonObject, position: int) -> tuple[str, JsonObject]:
    if call.get("type") == "custom" or "custom" in call:
        custom = item.object_of(call, "custom", "tool_calls", position)
        here = item.place.at("tool_calls", position, "custom")
        given = reading.optional(custom, "input", reading.text, here) or ""
        return reading.required(custom, "name", reading.text, here), {"input": given}
    function = item.object_of(call, "function", "tool_calls", position)
    name = item.text_of(function, "name", "tool_calls", position, "function")
    return name, read_arguments(function.get("arguments"), item, "tool_calls", position, "function")


def read_arguments(value: JsonValue, item: Item, *steps: Step) -> JsonObject:
    """Read arguments of history, which stand in what the message holds at `steps`: an object always, whatever the model once wrote.

    Raises `InvalidRequest` where they are nested too deeply.
    """
    if value is None or isinstance(value, dict):
        return cast("JsonObject", value) or {}
    written = str(value)
    if not written.strip():
        return {}
    try:
        document = codec.decode(written)
    except codec.NestedTooDeeply as error:
        raise reading.too_deep(item.place.at(*steps, "arguments")) from error
    except codec.MalformedJson:
        return {"INVALID_JSON": written}
    reading.refuse_deep(document, item.place.at(*steps, "arguments"))
    if document is None:
        return {}
    return cast("JsonObject", document) if isinstance(document, dict) else {"INVALID_JSON": written}
