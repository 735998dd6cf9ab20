"""OpenAI's request → Anthropic's body. Assembles what the other modules translate; see them for each part.

Order of work and of keys: wire-anthropic §2.1. Nothing is ever sent as null. What the gateway adds for one request only goes to the
end of the last user turn; the thinking of such a request cannot be used again, so it is not handed out.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import GatewayError, InvalidRequest, RequestTooLarge, UpstreamInvalidResponse
from chromagent.schema import reading
from chromagent.schema.chat import ChatCompletionRequest
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.anthropic import betas, caching, constants, errors, json_schema, messages, reasoning, thinking, tools
from chromagent.translators.anthropic.errors import ErrorReader, find_repair
from chromagent.translators.anthropic.generation import Generation
from chromagent.translators.anthropic.media import MediaReader
from chromagent.translators.anthropic.names import NameMap
from chromagent.translators.anthropic.options import AnthropicOptions
from chromagent.translators.anthropic.parameters import TABLE
from chromagent.translators.anthropic.profiles import changed, profile_of
from chromagent.translators.anthropic.response import AnswerReader, Reading, read_whole
from chromagent.translators.anthropic.stream import AnthropicStream
from chromagent.translators.anthropic.turns import Conversation, Turn
from chromagent.translators.anthropic.usage import total_tokens
from chromagent.translators.anthropic.wire import Block
from chromagent.translators.folding import fold
from chromagent.translators.lenient import as_list, as_object
from chromagent.translators.parameters import require_faithful
from chromagent.translators.protocol import Answer, Call

LARGEST_BODY: Final = 30_000_000
_WITHOUT_SAMPLING: Final = "2026-10-21"
"""The version that refuses sampling parameters on every model."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
"""A name of a function as it is sent."""
_LONGEST_NAME: Final = 256
"""Characters of a client's name of a function that stand in an error message."""
_EXTENSIONS: Final = frozenset(
    {
        "thinking",
        "reasoning",
        "top_k",
        "cache_control",
        "anthropic_beta",
        "betas",
        "output_config",
        "context_management",
        "stop_sequences",
    }
)


class AnthropicTranslation:
    """One translated request, and the reader of its answer."""

    def __init__(self, call: Call, options: AnthropicOptions) -> None:
        self._call = call
        self._options = options
        self._request, unknown = _unpacked(call.request)
        self._profile = changed(profile_of(call.model), options.profiles.get(call.model))
        self.headers: dict[str, str] = {}
        self.ignored = TABLE.ignored(self._request, self._profile) + unknown
        self.downgraded: list[str] = []
        self.workarounds: list[str] = []
        self._emulated: JsonObject | None = None
        self._for_once = False  # something was added that the next request will not hold
        self.copies = self._request.get("n", 1)
        if self.copies > options.max_n:
            raise wrong_value(Place(("n",)), f"'n' must be at most {options.max_n}.")
        self.body = self._assemble()
        self.downgraded = list(dict.fromkeys(self.downgraded))
        if call.strict:
            require_faithful(self.ignored, self.downgraded)

    def response(self, bodies: Sequence[JsonObject]) -> Answer:
        """Read a complete answer."""
        for body in bodies:
            if body.get("type") == "error" or ("error" in body and "content" not in body):
                raise self._errors.read_event(body)
        reader = AnswerReader(self._reading)
        paused = bodies[-1].get("stop_reason") == "pause_turn"
        try:
            deltas = read_whole(reader, bodies, paused_too_often=paused)
        except (TypeError, AttributeError, KeyError, ValueError) as error:  # a member of another type than the documentation says
            raise UpstreamInvalidResponse("The model provider's answer has an unknown shape.") from error
        completion = fold(reader.head, deltas, reader.usage(), silence=None)
        if reader.stop_reason == "refusal" and reader.stop_details:
            completion["choices"][0]["stop_details"] = self._call.redact.members(reader.stop_details)
        return Answer(completion, reader.upstream_model)

    def tokens(self, bodies: Sequence[JsonObject]) -> int:
        """Return the tokens that the upstream reported of so many answers."""
        return total_tokens(bodies)

    def continuation(self, bodies: Sequence[JsonObject]) -> JsonObject | None:
        """Return the body that goes on with an answer that paused, or None."""
        if bodies[-1].get("stop_reason") != "pause_turn" or len(bodies) > self._options.pause_turns:
            return None
        return self._resume([as_object(block) for body in bodies for block in as_list(body.get("content"))])

    def stream(self) -> AnthropicStream:
        """Begin to read a streamed answer."""
        return AnthropicStream(AnswerReader(self._reading), self._errors, self._resume, most_pauses=self._options.pause_turns)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Read an answer with a status of 400 or more."""
        return self._errors.read(status, headers, body)

    def repair(self, error: GatewayError) -> str | None:
        """Name the change that would make the upstream take this request, if there is one."""
        return find_repair(error, self.body, self.headers, self._call.repairs, self._request)

    @property
    def _errors(self) -> ErrorReader:
        return ErrorReader(self._call.redact, self._client_names)

    def _resume(self, content: list[JsonObject]) -> JsonObject:
        return {**self.body, "messages": [*self.body["messages"], {"role": "assistant", "content": content}]}

    def _assemble(self) -> JsonObject:
        options, request, profile = self._options, self._request, self._profile
        generation = Generation(request, profile, self.ignored, self.downgraded)
        self._toolset = toolset = tools.read_tools(request, profile, native_types=options.native_tools)
        self.downgraded += toolset.downgraded
        choice = tools.read_choice(request, toolset)
        self._names = NameMap(toolset.names(), reserved=toolset.native())
        conversation = self._read_conversation()
        written = tools.write_tools(toolset, choice, self._names) or self._gone_tools(conversation.turns)

        limit = generation.limit()
        wish = reasoning.read_wish(request)
        self._plan = plan = reasoning.plan(wish, profile, limit=limit, display=options.reasoning_display)
        self.downgraded += plan.downgraded
        if reasoning.is_weaker(wish, plan):
            self.downgraded.append(wish.field)
        self._settle_thinking(conversation, written, choice)
        prefix = self._prefix(conversation, written)
        output = self._format(conversation.turns, toolset, choice, written)
        chosen = self._choice(conversation.turns, choice, written)
        self._end(conversation.turns, native_format="format" in output)
        if plan.effort is not None:
            output["effort"] = plan.effort

        body: JsonObject = {"anthropic_version": options.version}
        _add(body, system=conversation.system, tools=written, tool_choice=self._emulated or chosen)
        body["messages"] = [{"role": turn.role, "content": turn.content} for turn in conversation.turns]
        body["max_tokens"] = limit
        _add(body, thinking=plan.thinking, output_config=output, stop_sequences=generation.stops())
        body |= generation.sampling(thinks=plan.on, refused=options.version == _WITHOUT_SAMPLING)
        if (management := request.get("context_management")) is not None:
            betas.check_context(management)
        _add(body, metadata=generation.user(), context_management=management)
        self._mark(body)
        self._name_betas(body)
        if len(codec.encode(body)) > LARGEST_BODY:
            raise RequestTooLarge("The request is longer than the 30 MB that Vertex AI takes.")
        self._reading = self._make_reading(wish, prefix)
        return body

    def _gone_tools(self, turns: list[Turn]) -> list[JsonObject]:
        """Write tools that were used earlier and that the request no longer brings."""
        used = {block.get("name", "") for turn in turns for block in turn.blocks if block.get("type") == "tool_use"}
        return tools.write_gone({self._names.back(name) for name in used}, self._names) if used else []

    def _read_conversation(self) -> Conversation:
        reader = messages.ConversationReader(
            self._call,
            MediaReader(self._call, fetch=self._options.media_fetch),
            self._names,
            family=self._profile.name,
            system_messages=self._profile.system_messages and not self._avoids_system_role(),
            repair=self._options.repair_missing_tool_results,
        )
        conversation = reader.read()
        self.ignored += reader.ignored
        return conversation

    def _settle_thinking(self, conversation: Conversation, written: list[JsonObject], choice: tools.ToolChoice) -> None:
        """Put thinking back where it is needed, and leave it off where it would be refused (§2.5.4, §2.9)."""
        plan = self._plan
        if self._works_around(errors.STRIP_THINKING, weakens="messages"):
            for turn in conversation.turns:
                turn.blocks = [block for block in turn.blocks if block.get("type") not in thinking.KINDS]
        else:
            self._restore(conversation, written)
        if not plan.manual:
            return
        forced = choice.forced and self._request.get("thinking") is None
        if forced or _runs_without_thinking(conversation.turns):
            plan.thinking, plan.on = None, False
            self.downgraded.append("thinking" if "thinking" in self._request else "reasoning_effort")
            for turn in conversation.turns:
                turn.blocks = [block for block in turn.blocks if block.get("type") not in thinking.KINDS]

    def _restore(self, conversation: Conversation, written: list[JsonObject]) -> None:
        if not any(turn.remembered for turn in conversation.turns):
            return
        prefix = thinking.PrefixHash(conversation.system, written)
        for turn in conversation.turns:
            known = turn.remembered
            if known is not None and (not self._profile.binds or known.prefix == prefix.digest()):
                turn.blocks = [*known.blocks, *turn.blocks]
            prefix.add(turn.role, turn.content)

    def _prefix(self, conversation: Conversation, written: list[JsonObject]) -> str:
        """Digest what the answer's thinking will be bound to, for models that bind and conversations that use tools."""
        if not (written and self._profile.binds):
            return ""
        prefix = thinking.PrefixHash(conversation.system, written)
        for turn in conversation.turns:
            prefix.add(turn.role, turn.content)
        return prefix.digest()

    def _format(self, turns: list[Turn], toolset: tools.ToolSet, choice: tools.ToolChoice, written: list[JsonObject]) -> JsonObject:
        """Return `output_config` for the format that was asked for, or ask for it in another way (§2.7)."""
        self._asks_json = False
        given = self._request.get("response_format")
        if given is None:
            asked = reasoning.asked_format(self._request)
            return {"format": asked} if asked else {}
        place = Place(("response_format",), dotted=True)
        kind = reading.required(given, "type", reading.text, place)
        if kind == "text":
            return {}
        if kind == "json_object":
            self._ask(turns, constants.JSON_ONLY)
            return {}
        if kind != "json_schema":
            raise wrong_value(place.at("type"), "'type' must be text, json_object or json_schema.")
        schema = self._schema(given, place)
        if self._profile.structured:
            try:
                native = {"format": {"type": "json_schema", "schema": json_schema.structured(schema, toolset.budget)}}
            except json_schema.NotExpressibleError:
                pass
            else:
                avoided = [self._works_around(name, weakens="response_format") for name in (errors.STRUCTURED, errors.SCHEMA)]
                if not any(avoided):
                    return native
        if (
            not toolset.tools
            and not choice.forced
            and not self._plan.manual
            and self._profile.can_be_forced
            and not self._profile.binds
        ):
            root = json_schema.input_schema(schema, place.at("json_schema", "schema"), toolset.budget)
            written.append({"name": constants.JSON_TOOL, "input_schema": root.schema})
            self._emulated = {"type": "tool", "name": constants.JSON_TOOL}
            self._for_once = True
            return {}
        self.downgraded.append("response_format")
        self._ask(turns, constants.JSON_SCHEMA.format(schema=codec.encode_text(schema)))
        return {}

    def _schema(self, given: JsonObject, place: Place) -> JsonObject:
        wrapper = reading.required(given, "json_schema", reading.mapping, place)
        here = place.at("json_schema")
        schema = reading.required(wrapper, "schema", reading.mapping, here)
        if "$ref" not in schema and schema.get("type", "object") != "object":
            raise wrong_value(here.at("schema"), "The root of the schema must be an object.")
        description = reading.optional(wrapper, "description", reading.text, here)
        return {**schema, "description": description} if description and "description" not in schema else schema

    def _ask(self, turns: list[Turn], text: str) -> None:
        self._asks_json = True
        self._append_for_once(turns, text)

    def _append_for_once(self, turns: list[Turn], text: str) -> None:
        """Add a text to the end of the last user turn, for this request only."""
        self._for_once = True
        turn = next((turn for turn in reversed(turns) if turn.role == "user"), None)
        if turn is not None:
            turn.blocks.append({"type": "text", "text": text})

    def _choice(self, turns: list[Turn], choice: tools.ToolChoice, written: list[JsonObject]) -> JsonObject | None:
        if not written:
            return None
        if not self._toolset.tools:
            return {"type": "none"}
        parallel = self._request.get("parallel_tool_calls") is not False and not self._toolset.legacy
        if not choice.forced or self._profile.can_be_forced:
            return tools.write_choice(choice, self._names, parallel=parallel)
        if self._options.forced_tool_unsupported == "reject":
            raise InvalidRequest("This model cannot be forced to call a tool.", param=choice.field, code="unsupported_value")
        text = constants.FORCE_ANY if choice.mode == "any" else constants.FORCE_ONE.format(name=self._names.there(choice.name))
        self._append_for_once(turns, text)
        self.downgraded.append(choice.field)
        return tools.write_choice(tools.ToolChoice("auto"), self._names, parallel=parallel)

    def _end(self, turns: list[Turn], *, native_format: bool) -> None:
        """Let the conversation end with the user, or with the beginning of an answer where that is possible (§2.3.2, rule 7)."""
        last = turns[-1]
        if last.role != "assistant":
            return
        final: Block = next((block for block in reversed(last.blocks) if block.get("type") not in thinking.KINDS), {})
        fits = self._profile.prefill and not self._plan.on and not native_format and not self._asks_json
        if fits and final.get("type") == "text":
            final["text"] = final.get("text", "").rstrip()
            return
        self._for_once = True
        turns.append(Turn("user", last.index, [{"type": "text", "text": constants.CONTINUE}]))

    def _mark(self, body: JsonObject) -> None:
        mark = caching.automatic(self._request, body, self._options.cache_policy)
        if mark is not None and self._works_around(errors.CACHE_MARK):
            caching.place_explicitly(body, mark)
        elif mark is not None:
            body["cache_control"] = mark
        caching.settle(body)

    def _name_betas(self, body: JsonObject) -> None:
        sent = self._needed_betas(body)
        known: set[str] = set()
        if asked := betas.asked(self._request, self._call.betas):
            known, refused = betas.split(asked, self._options.allowed_betas)
            self.ignored += [f"anthropic-beta.{name}" for name in refused]
            sent |= known
        plan = self._plan
        if self._options.thinking_binding == "drop_block" and plan.thinking and plan.thinking.get("type") == "adaptive":
            sent.add(betas.BINDING)
            body["thinking"] = {**plan.thinking, "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
        for repair in self._call.repairs:
            if repair.startswith(errors.BETA) and (left_out := sent & set(repair.removeprefix(errors.BETA).split(","))):
                self._works_around(repair)
                self.downgraded += [f"anthropic-beta.{name}" for name in sorted(left_out & known)]
                sent -= left_out
        if not sent:
            return
        if self._options.beta_transport in ("header", "both"):
            self.headers["anthropic-beta"] = ",".join(sorted(sent))
        if self._options.beta_transport in ("body", "both"):
            body["anthropic_beta"] = sorted(sent)

    def _works_around(self, name: str, *, weakens: str | None = None) -> bool:
        """Say whether a workaround is to be applied, which the client is told, with the field that gets weaker by it."""
        if name not in self._call.repairs:
            return False
        if name not in self.workarounds:
            self.workarounds.append(name)
        if weakens is not None:
            self.downgraded.append(weakens)
        return True

    def _avoids_system_role(self) -> bool:
        """Say whether the system, which speaks after somebody else did, must do so without a role of its own."""
        systems = [message.get("role") in ("system", "developer") for message in self._request["messages"]]
        speaks_late = False in systems and any(systems[systems.index(False) :])
        return speaks_late and self._works_around(errors.SYSTEM_ROLE)

    def _needed_betas(self, body: JsonObject) -> set[str]:
        toolset = self._toolset
        needed: set[str] = set()
        if self._profile.interleaved_beta and self._plan.manual and "tools" in body:
            needed.add(betas.INTERLEAVED)
        if toolset.tools and toolset.has("web_search_"):
            needed.add(betas.WEB_SEARCH)
        if toolset.tools and (toolset.has("tool_search_tool_") or toolset.defers()):
            needed.add(betas.TOOL_SEARCH)
        if "context_management" in body:
            needed.add(betas.of_context(body["context_management"]))
        return needed

    def _client_names(self, text: str) -> str:
        return _NAME.sub(lambda found: self._names.back(found[0])[:_LONGEST_NAME], text)

    def _make_reading(self, wish: reasoning.Wish, prefix: str) -> Reading:
        profile, request = self._profile, self._request
        return Reading(
            names=self._names,
            custom=self._toolset.custom,
            legacy=self._toolset.legacy,
            model=request["model"],
            call_id=self._call.id,
            created=self._call.created,
            family=profile.name,
            service_tier="default" if "service_tier" in request else None,
            json_tool=self._emulated is not None,
            strip_fences=self._asks_json,
            show_reasoning=not wish.hidden,
            carry_thinking=not (self._for_once and profile.binds) and self._emulated is None,
            sealed=self._options.tool_call_ids == "sealed",
            annotation_end=0 if self._options.annotation_end == "exclusive" else -1,
            prefix=prefix,
            reasoning_state=self._call.reasoning_state,
            redact=self._call.redact,
        )


def _unpacked(request: ChatCompletionRequest) -> tuple[ChatCompletionRequest, list[str]]:
    """Read known extensions out of an `extra_body` that a client forgot to unpack; name what it holds besides."""
    if "extra_body" not in request:
        return request, []
    extra = as_object(request["extra_body"])
    known = {name: value for name, value in extra.items() if name in _EXTENSIONS and name not in request and value is not None}
    unknown = [f"extra_body.{name}" for name in extra if name not in _EXTENSIONS]
    return cast("ChatCompletionRequest", {**request, **known}) if known else request, unknown


def _add(body: JsonObject, **members: JsonValue) -> None:
    """Add members that hold something."""
    for name, value in members.items():
        if value:
            body[name] = value


def _runs_without_thinking(turns: Sequence[Turn]) -> bool:
    """Say whether a tool loop is running whose assistant turn does not begin with thinking (§2.9.5)."""
    if len(turns) < 2 or not turns[-1].results:
        return False
    asking = next((turn for turn in reversed(turns) if turn.role == "assistant"), None)
    return asking is not None and (not asking.blocks or asking.blocks[0].get("type") not in thinking.KINDS)
