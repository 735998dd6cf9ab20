"""OpenAI's request → Gemini's body. Assembles what the other modules translate; see them for each part.

Order of work: wire-gemini §2.0. Every container that would be empty is left out, and so is every default.
"""

from collections.abc import Mapping, Sequence

from chromagent.codec import JsonObject
from chromagent.errors import GatewayError
from chromagent.translators import lenient
from chromagent.translators.budget import SchemaBudget
from chromagent.translators.folding import fold
from chromagent.translators.gemini import errors, extensions, generation, messages, reasoning, signatures, tools
from chromagent.translators.gemini.allow_list import Resources
from chromagent.translators.gemini.contents import ContentWriter, HistoryCall, SystemTurn, Turn
from chromagent.translators.gemini.errors import ErrorReader, Origins, find_repair
from chromagent.translators.gemini.media import MediaReader
from chromagent.translators.gemini.names import NameMap
from chromagent.translators.gemini.options import GeminiOptions
from chromagent.translators.gemini.parameters import TABLE
from chromagent.translators.gemini.parts import Reading
from chromagent.translators.gemini.profiles import profile_of, with_levels
from chromagent.translators.gemini.response import AnswerReader, Policy, read_whole
from chromagent.translators.gemini.stream import GeminiStream
from chromagent.translators.gemini.usage import total_tokens
from chromagent.translators.parameters import require_faithful
from chromagent.translators.protocol import Answer, Call


class GeminiTranslation:
    """One translated request, and the reader of its answer."""

    copies = 1

    def __init__(self, call: Call, options: GeminiOptions) -> None:
        self._call = call
        self._options = options
        self._request = call.request
        self._profile = with_levels(profile_of(call.model), options.thinking_levels.get(call.model))
        on_vertex = options.surface == "vertex"
        self._resources = Resources(
            f"projects/{call.project}/locations/{call.location}/" if on_vertex else "", call.allowed_resources
        )
        self._google = extensions.Extensions(self._request, self._resources)
        self.headers: dict[str, str] = {}
        self.ignored = TABLE.ignored(self._request, self._profile)
        self.ignored += self._google.unknown
        self.downgraded: list[str] = []
        self.workarounds: list[str] = []
        self.body = self._assemble()
        if call.strict:
            require_faithful(self.ignored, self.downgraded)

    def response(self, bodies: Sequence[JsonObject]) -> Answer:
        """Read a complete answer."""
        for body in bodies:
            if "error" in body and "candidates" not in body:
                raise self._errors.read_document(body, status=500)
        reader = self._answer_reader(streamed=False)
        deltas = read_whole(reader, bodies)
        return Answer(fold(reader.head, deltas, reader.usage, choices=self._request.get("n", 1)), reader.upstream_model)

    def tokens(self, bodies: Sequence[JsonObject]) -> int:
        """Return the tokens that the upstream reported of so many answers."""
        return total_tokens(bodies)

    def continuation(self, bodies: Sequence[JsonObject]) -> JsonObject | None:
        """Return the body of the request that goes on with an incomplete answer, or None."""
        candidates = lenient.members(bodies[-1], "candidates")
        if not self._may_continue or len(bodies) > self._options.max_hops or not candidates:
            return None
        first = candidates[0]
        token = first.get("continuationToken")
        return {**self.body, "continuationToken": token} if token and first.get("finishReason") == "CONTINUATION" else None

    def stream(self) -> GeminiStream:
        """Begin to read a streamed answer."""
        hops = self._options.max_hops if self._may_continue else 0
        return GeminiStream(self._answer_reader(streamed=True), self._errors, self.body, most_hops=hops)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Read an answer with a status of 400 or more."""
        return self._errors.read(status, headers, body)

    def repair(self, error: GatewayError) -> str | None:
        """Name the change that would make Google take this request, if there is one."""
        return find_repair(error, self.body, self._call.repairs, self._request)

    @property
    def _may_continue(self) -> bool:
        return self._options.continuation and self._request.get("n", 1) == 1

    def _answer_reader(self, *, streamed: bool) -> AnswerReader:
        policy = Policy(
            choices=self._request.get("n", 1),
            streamed=streamed,
            requested_model=self._request["model"] if self._options.response_model == "requested" else None,
            model=self._request["model"],
            block_is_error=self._options.prompt_block == "error",
            retry_empty=self._call.attempt < self._options.retry_empty,
            retry_malformed=self._call.attempt < self._options.retry_malformed,
        )
        return AnswerReader(self._reading, policy)

    def _assemble(self) -> JsonObject:
        call, options, request, repairs = self._call, self._options, self._request, self._call.repairs
        developer = options.surface == "developer"
        media = MediaReader(call, http_media=options.http_media, developer=developer)
        conversation = messages.ConversationReader(call, media)
        turns = conversation.read()
        schemas = SchemaBudget()
        toolset = tools.read_tools(request, self._profile, self._google, self._resources, schemas)
        choice = tools.read_choice(request, toolset)
        names = NameMap([*toolset.functions, *(made.name for made in conversation.calls)])
        if conversation.calls and self._works_around(errors.SIGNATURES, weakens="messages"):
            self._forget(conversation.calls)

        writer = ContentWriter(
            names,
            self._profile,
            sends_ids=options.sends_ids and not (conversation.calls and self._works_around(errors.IDS)),
            dummy=signatures.DUMMIES[options.dummy_signature],
            keep_signatures=errors.SIGNATURES not in repairs,
            detail_by_part=self._detail_by_part,
        )
        inline = options.mid_system == "inline"
        systems, rest = _split_systems(turns, inline=inline)
        contents = writer.write(
            rest, missing_results=options.missing_tool_results, inline_system=inline, separate_users=errors.TURNS in repairs
        )
        if writer.separated:
            self._works_around(errors.TURNS)
        body: JsonObject = {"contents": contents}
        config = self._generation(writer.resolution)
        wanted = generation.read_format(request.get("response_format"), schemas)
        choice, systems = self._put_format(config, wanted, toolset, choice, systems)
        if systems:
            body["systemInstruction"] = {"parts": [{"text": text} for text in systems]}
        if toolset.functions or toolset.built_in:
            self._put_tools(body, toolset, choice, names)
        if config:
            body["generationConfig"] = config
        self._put_rest(body)

        self._errors = ErrorReader(self._origins(toolset, writer.origins), call.redact)
        self._reading = self._make_reading(names, toolset)
        return body

    def _forget(self, calls: Sequence[HistoryCall]) -> None:
        """Signatures of this conversation were refused: they must not come back from the cache either."""
        for made in calls:
            self._call.reasoning_state.pop(made.identifier, None)

    def _generation(self, resolution: str | None) -> JsonObject:
        request, profile = self._request, self._profile
        config = generation.sampling(request, profile)
        if resolution is not None and not self._detail_by_part and not profile.conservative:
            config["mediaResolution"] = resolution
        if "max_tokens" in request and request.get("max_completion_tokens", request["max_tokens"]) != request["max_tokens"]:
            self.ignored.append("max_tokens")
        limit = config.get("maxOutputTokens")
        if limit is not None and limit != request.get("max_completion_tokens", request.get("max_tokens")):
            self.downgraded.append("max_completion_tokens" if "max_completion_tokens" in request else "max_tokens")
        wish = reasoning.read_wish(request, self._google.values)
        thinking = self._thinking(wish, limit)
        if thinking is not None:
            config["thinkingConfig"] = thinking
        if profile.thinking != "never" and reasoning.is_weaker(wish, profile, thinking):
            self._weaken(wish.field)
        if "modalities" in request:
            config |= generation.modalities(request, profile, self._options.voices)
        if "audio" in request and "audio" not in (request.get("modalities") or []):
            self.ignored.append("audio")
        return config

    def _thinking(self, wish: reasoning.Wish, limit: int | None) -> JsonObject | None:
        """Return `thinkingConfig`; where a workaround changes it, and the client asked for something, that is weakened."""
        profile, policy, repairs = self._profile, self._options.include_thoughts, self._call.repairs
        made = reasoning.thinking_config(wish, profile, policy=policy, most_tokens=limit, repairs=repairs)
        if repairs:
            plain = reasoning.thinking_config(wish, profile, policy=policy, most_tokens=limit, repairs=frozenset())
            asked = wish.effort or wish.level or wish.budget is not None or wish.include is not None
            for name in sorted(repairs) if made != plain else ():
                if name == errors.THINKING or name.startswith(errors.LEVEL):
                    self._works_around(name, weakens=wish.field if asked else None)
        return made

    def _works_around(self, name: str, *, weakens: str | None = None) -> bool:
        """Say whether a workaround is to be applied, which the client is told, with the field that gets weaker by it."""
        if name not in self._call.repairs:
            return False
        if name not in self.workarounds:
            self.workarounds.append(name)
        if weakens is not None:
            self._weaken(weakens)
        return True

    def _weaken(self, field: str) -> None:
        if field not in self.downgraded:
            self.downgraded.append(field)

    def _put_format(
        self,
        config: JsonObject,
        wanted: generation.ResponseFormat,
        toolset: tools.ToolSet,
        choice: tools.ToolChoice,
        systems: list[str],
    ) -> tuple[tools.ToolChoice, list[str]]:
        """Ask for JSON by field, or in words where old models refuse the field beside tools."""
        if not wanted.json:
            return choice, systems
        if wanted.weakened:
            self.downgraded.append("response_format")
        if self._profile.generation < 3 and not self._profile.conservative and (toolset.functions or toolset.built_in):
            if choice.mode != "none":
                self.downgraded = list(dict.fromkeys([*self.downgraded, "response_format"]))
                return choice, [*systems, wanted.instruction()]
            toolset.functions, toolset.built_in = {}, {}
        config["responseMimeType"] = "application/json"
        if wanted.schema is not None and self._openapi("response_format"):
            place = tools.Place(("response_format", "json_schema", "schema"))
            config["responseSchema"] = tools.to_openapi(wanted.schema, place, toolset.budget)
        elif wanted.schema is not None:
            config["responseJsonSchema"] = wanted.schema
        return choice, systems

    @property
    def _detail_by_part(self) -> bool:
        return self._profile.modern and self._options.image_detail == "part"

    def _openapi(self, field: str) -> bool:
        """Say whether the schemas of a field are written in the older language, which can say less."""
        return self._options.schema_mode == "openapi" or self._works_around(errors.OPENAPI, weakens=field)

    def _put_tools(self, body: JsonObject, toolset: tools.ToolSet, choice: tools.ToolChoice, names: NameMap) -> None:
        if toolset.weakened:
            self._weaken("tools")
        field = "functions" if toolset.legacy else "tools"
        openapi = any(function.schema is not None for function in toolset.functions.values()) and self._openapi(field)
        if written := tools.write_tools(toolset, choice, names, openapi=openapi):
            body["tools"] = written
        config: JsonObject = {}
        validated = self._options.strict_tools_mode == "validated"
        calling = tools.write_choice(toolset, choice, names, validated=validated)
        if calling == tools.VALIDATED and self._works_around(errors.VALIDATED, weakens=field):
            calling = None
        if calling is not None:
            config["functionCallingConfig"] = calling
        if toolset.functions and self._streams_arguments:
            config.setdefault("functionCallingConfig", {"mode": "AUTO"})["streamFunctionCallArguments"] = True
        mixed = bool(toolset.functions and toolset.built_in)
        if mixed and (self._options.surface == "developer") != self._works_around(errors.SERVER_TOOLS):
            config["includeServerSideToolInvocations"] = True
        if config:
            body["toolConfig"] = config

    @property
    def _streams_arguments(self) -> bool:
        wanted = self._options.stream_tool_args and bool(self._request.get("stream"))
        return wanted and self._profile.modern and self._options.surface != "developer"

    def _put_rest(self, body: JsonObject) -> None:
        options, request, google = self._options, self._request, self._google
        developer = options.surface == "developer"
        self.ignored += extensions.apply(body, google, self._profile, developer=developer)
        extensions.guard(body, google, options)
        if (cache := extensions.cached_content(google, body, parent=self._resources.parent)) is not None:
            body["cachedContent"] = cache
        metadata = request.get("metadata") or {} if options.metadata_to_labels else {}
        if metadata and "metadata" in self.ignored:
            self.ignored.remove("metadata")
        if not developer and (labels := extensions.labels(google, metadata, options.default_labels, self.ignored)):
            body["labels"] = labels
        tier = request.get("service_tier")
        if (kind := extensions.paid_tier(tier)) is not None and (developer or self._options.tier_transport == "body"):
            body["serviceTier"] = kind
        elif kind is not None:
            self.headers |= extensions.tier_headers(kind)
        elif tier == "scale":
            self.ignored.append("service_tier")

    def _origins(self, toolset: tools.ToolSet, contents: Sequence[int]) -> Origins:
        place = "functions" if toolset.legacy else "tools"
        only_old = "max_tokens" in self._request and "max_completion_tokens" not in self._request
        return Origins(
            declarations=[f"{place}[{function.index}]" for function in toolset.functions.values()],
            contents=contents,
            limit_field="max_tokens" if only_old else "max_completion_tokens",
        )

    def _make_reading(self, names: NameMap, toolset: tools.ToolSet) -> Reading:
        request, options = self._request, self._options
        audio = request.get("audio") or {}
        return Reading(
            names=names,
            custom=toolset.custom,
            legacy=toolset.legacy,
            single_call=request.get("parallel_tool_calls") is False and options.enforce_single_call,
            logprobs=request.get("logprobs", False),
            call_id=self._call.id,
            created=self._call.created,
            reasoning_field=options.reasoning_field,
            marker=self._google.get("thoughtTagMarker") or "",
            audio_format=str(audio.get("format", "pcm16")),
            stream_arguments=self._streams_arguments,
            sealed=options.tool_call_ids == "sealed",
            expose_grounding=options.expose_grounding,
            annotation_end=0 if options.annotation_end == "exclusive" else -1,
            reasoning_state=self._call.reasoning_state,
            redact=self._call.redact,
        )


def _split_systems(turns: Sequence[Turn], *, inline: bool) -> tuple[list[str], list[Turn]]:
    """Take system texts out of the conversation: all of them, or those before anybody else spoke."""
    systems: list[str] = []
    rest: list[Turn] = []
    for turn in turns:
        if isinstance(turn, SystemTurn) and not (inline and rest):
            systems += turn.texts
        else:
            rest.append(turn)
    return systems, rest
