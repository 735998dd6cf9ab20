"""Tools and the choice among them. Hides names, custom tools, Anthropic's own tools, and the deprecated form.

Source: wire-anthropic §2.5. The order of tools is the client's: caches and signatures depend on it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias, cast

import msgspec

from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place, Step, wrong_value
from chromagent.translators.anthropic import caching, constants, json_schema
from chromagent.translators.anthropic.names import NameMap
from chromagent.translators.anthropic.profiles import Profile
from chromagent.translators.budget import SchemaBudget
from chromagent.translators.lenient import as_list, as_object, member

Steps: TypeAlias = tuple[Step, ...]
"""The way to a place in the request, which is needed for complaints only."""

WEB_SEARCH: Final = "web_search"
_NATIVE: Final = re.compile(r"(web_search|bash|text_editor|computer|memory|tool_search_tool_regex|tool_search_tool_bm25)_[0-9]{8}")
_ANY_NATIVE: Final = frozenset(
    {"type", "name", "cache_control", "defer_loading", "allowed_callers", "eager_input_streaming", "input_examples", "strict"}
)
_OF_NATIVE: Final = {
    "web_search": _ANY_NATIVE | {"max_uses", "allowed_domains", "blocked_domains", "user_location"},
    "text_editor": _ANY_NATIVE | {"max_characters"},
    "computer": _ANY_NATIVE | {"display_width_px", "display_height_px", "display_number", "enable_zoom"},
}
"""Members of Anthropic's own tools that clients may send, beyond those of all tools: none names a resource or a credential."""
_ELSEWHERE: Final = re.compile(r"(web_fetch_|code_execution_|advisor_).*|mcp_toolset")
_IN_ORDER: Final = ("eager_input_streaming", "input_examples", "defer_loading", "allowed_callers")
_PASSED: Final = frozenset({*_IN_ORDER, "cache_control", "prompt_cache_breakpoint"})
_CUSTOM_SCHEMA: Final[JsonObject] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
_SEARCHES: Final = {"low": 1, "medium": 5, "high": 10}
_MOST_STRICT: Final = 20


class Tool(msgspec.Struct):
    """One tool: what the client calls it, and what is sent."""

    name: str
    body: JsonObject
    """Without its name, which is known when all names are."""
    custom: bool = False
    native: bool = False


class ToolSet(msgspec.Struct):
    """All tools of a request."""

    tools: list[Tool] = []
    legacy: bool = False
    downgraded: list[str] = []
    declared: dict[str, None] = {}
    """Names of the client's tools in order."""
    budget: SchemaBudget = msgspec.field(default_factory=SchemaBudget)
    """For all schemas of the request."""

    @property
    def custom(self) -> frozenset[str]:
        """Names of custom tools."""
        return frozenset([tool.name for tool in self.tools if tool.custom])

    def names(self) -> list[str]:
        """Names of the client's tools in order."""
        return list(self.declared)

    def native(self) -> frozenset[str]:
        """Names of Anthropic's own tools."""
        return frozenset([tool.name for tool in self.tools if tool.native])

    def defers(self) -> bool:
        """Say whether a tool is loaded when it is searched for only."""
        return any(tool.body.get("defer_loading") is True for tool in self.tools)

    def has(self, prefix: str) -> bool:
        """Say whether a tool of Anthropic's own kind is among them."""
        return any(tool.native and str(tool.body.get("type", "")).startswith(prefix) for tool in self.tools)


class ToolChoice(NamedTuple):
    """Which tools may or must be called."""

    mode: str
    """auto, none, any or tool."""
    name: str = ""
    only: tuple[str, ...] | None = None
    """Names of the tools that remain; None for all."""
    field: str = "tool_choice"

    @property
    def forced(self) -> bool:
        """Some tool must be called."""
        return self.mode in ("any", "tool")


def read_tools(request: Mapping[str, JsonValue], profile: Profile, *, native_types: Sequence[str]) -> ToolSet:
    """Read `tools`, `functions` and `web_search_options`. Raises `InvalidRequest`."""
    tools = ToolSet()
    for index, given in enumerate(request.get("tools") or []):
        tools.tools.append(_read_tool(tools, given, ("tools", index), native_types))
    if functions := request.get("functions"):
        if request.get("tools"):
            raise InvalidRequest("'functions' and 'tools' exclude each other.", param="functions")
        tools.legacy = True
        for index, given in enumerate(functions):
            tools.tools.append(_read_function(tools, given, given, ("functions", index), ("functions", index)))
    _settle_strict(tools, profile)
    if (options := request.get("web_search_options")) is not None:
        tools.tools.append(_web_search(as_object(options)))
    return tools


def _place(steps: Steps) -> Place:
    return Place(steps, dotted=True)


def _read_tool(tools: ToolSet, given: JsonObject, steps: Steps, native_types: Sequence[str]) -> Tool:
    kind = given.get("type", "function" if "function" in given else None)
    if kind == "function":
        function = given.get("function")
        if not isinstance(function, dict):
            function = reading.required(given, "function", reading.mapping, _place(steps))
        return _read_function(tools, cast("JsonObject", function), given, (*steps, "function"), steps)
    if kind == "custom":
        return _read_custom(tools, given, _place(steps))
    name = str(kind)
    if _ELSEWHERE.fullmatch(name):
        raise wrong_value(_place(steps).at("type"), f"'{name[:50]}' does not exist on Vertex AI.", "unsupported_value")
    known = _NATIVE.fullmatch(name)
    if known is None and name not in native_types:
        raise wrong_value(_place(steps).at("type"), f"'{name[:50]}' is not a type of tool that this model has.")
    allowed = _OF_NATIVE.get(known[1], _ANY_NATIVE) if known is not None and name not in native_types else given.keys()
    if unknown := given.keys() - allowed:
        here = _place(steps).at(min(unknown)[:64])
        raise wrong_value(here, f"'{here}' cannot be sent through this gateway.", "unsupported_parameter")
    body = {key: value for key, value in given.items() if key != "name"}
    return Tool(str(given.get("name", "")), body, native=True)


def _read_function(tools: ToolSet, function: JsonObject, given: JsonObject, steps: Steps, whole: Steps) -> Tool:
    name = _read_name(tools, function, steps, whole)
    description = function.get("description", "")
    if not isinstance(description, str):
        description = reading.optional(function, "description", reading.text, _place(steps)) or ""
    schema = json_schema.input_schema(function.get("parameters"), _place((*steps, "parameters")), tools.budget)
    if schema.loose:
        description = f"{description} {json_schema.NOT_ALL_COMBINE}".strip()
    body: JsonObject = {"description": description} if description else {}
    body["input_schema"] = schema.schema
    if "strict" in function and reading.optional(function, "strict", reading.boolean, _place(steps)):
        body["strict"] = True
    return Tool(name, body | _passed(function, given))


def _passed(function: JsonObject, given: JsonObject) -> JsonObject:
    if _PASSED.isdisjoint(function) and _PASSED.isdisjoint(given):
        return {}
    passed: JsonObject = {key: holder[key] for key in _IN_ORDER for holder in (function, given) if key in holder}
    if (mark := caching.read_mark(given) or caching.read_mark(function)) is not None:
        passed["cache_control"] = mark
    return passed


def _read_custom(tools: ToolSet, given: JsonObject, place: Place) -> Tool:
    custom = reading.required(given, "custom", reading.mapping, place)
    here = place.at("custom")
    name = _read_name(tools, custom, here.steps, place.steps)
    form = reading.optional(custom, "format", reading.mapping, here) or {}
    if form.get("type", "text") != "text":
        raise wrong_value(here.at("format"), "A grammar cannot be enforced on this model.", "unsupported_value")
    description = reading.optional(custom, "description", reading.text, here)
    body: JsonObject = {"description": description} if description else {}
    return Tool(name, {**body, "input_schema": _CUSTOM_SCHEMA, **_passed(custom, given)}, custom=True)


def _read_name(tools: ToolSet, container: JsonObject, steps: Steps, whole: Steps) -> str:
    name = container.get("name")
    if not isinstance(name, str):
        name = reading.required(container, "name", reading.text, _place(steps))
    if not name:
        raise wrong_value(_place((*steps, "name")), "A function needs a name.")
    if name in tools.declared:
        raise wrong_value(_place(whole), f"There are two tools named '{name[:64]}'.")
    tools.declared[name] = None
    return name


def _settle_strict(tools: ToolSet, profile: Profile) -> None:
    """Keep `strict` where the schema, as it is, can be guaranteed."""
    kept = 0
    for tool in tools.tools:
        if "strict" not in tool.body:
            continue
        possible = profile.structured and kept < _MOST_STRICT and json_schema.is_strict(tool.body["input_schema"], tools.budget)
        kept += possible
        if not possible:
            del tool.body["strict"]
            tools.downgraded = ["tools.strict"]


def _web_search(options: JsonObject) -> Tool:
    place = Place(("web_search_options",), dotted=True)
    size = reading.optional(options, "search_context_size", reading.text, place) or "medium"
    if size not in _SEARCHES:
        raise wrong_value(place.at("search_context_size"), "'search_context_size' must be low, medium or high.")
    body: JsonObject = {"type": "web_search_20250305", "max_uses": _SEARCHES[size]}
    location = member(member(options, "user_location"), "approximate")
    known = {key: location[key] for key in ("city", "country", "region", "timezone") if location.get(key)}
    if known:
        body["user_location"] = {"type": "approximate", **known}
    return Tool(WEB_SEARCH, body, native=True)


def read_choice(request: Mapping[str, JsonValue], tools: ToolSet) -> ToolChoice:
    """Read `tool_choice` or `function_call`. Raises `InvalidRequest`."""
    name = "tool_choice" if request.get("tool_choice") is not None else "function_call"
    value = request.get(name)
    if value in (None, "auto", "none"):
        return ToolChoice(str(value or "auto"), field=name)
    choice = _read_chosen(value, name)
    known = tools.declared
    if not known and not tools.tools:
        raise InvalidRequest(f"'{name}' needs tools to choose from.", param=name)
    for one in (*(choice.only or ()), *((choice.name,) if choice.name else ())):
        if one not in known:
            raise InvalidRequest(f"'{name}' names '{one[:64]}', which is not among the tools.", param=name)
    return choice


def _read_chosen(value: JsonValue, name: str) -> ToolChoice:
    if value == "required":
        return ToolChoice("any", field=name)
    place = Place((name,), dotted=True)
    if isinstance(value, dict):
        choice = cast("JsonObject", value)
        kind = choice.get("type", "function" if "name" in choice else None)
        if kind == "allowed_tools":
            return _read_allowed(choice, place)
        if kind in ("function", "custom"):
            return ToolChoice("tool", _read_named(choice, str(kind), place), field=name)
    raise wrong_value(place, f"'{name}' must be 'none', 'auto', 'required' or name a tool.")


def _read_allowed(choice: JsonObject, place: Place) -> ToolChoice:
    allowed = member(choice, "allowed_tools") or choice
    mode = allowed.get("mode")
    entries = as_list(allowed.get("tools"))
    if mode not in ("auto", "required") or not entries:
        raise wrong_value(place, "'allowed_tools' needs a mode (auto or required) and at least one tool.")
    tools = [as_object(entry) for entry in entries]
    names = tuple(
        _read_named(tool, str(tool.get("type", "function")), place.at("tools", index)) for index, tool in enumerate(tools)
    )
    return ToolChoice("auto" if mode == "auto" else "any", only=names)


def _read_named(container: JsonObject, kind: str, place: Place) -> str:
    return reading.required(member(container, kind) or container, "name", reading.text, place)


def write_tools(tools: ToolSet, choice: ToolChoice, names: NameMap) -> list[JsonObject]:
    """Return Anthropic's `tools`."""
    written: list[JsonObject] = []
    only = None if choice.only is None else frozenset(choice.only)
    for tool in tools.tools:
        if tool.native:
            kind = {"type": tool.body["type"]}
            written.append({**kind, "name": tool.name, **{key: value for key, value in tool.body.items() if key != "type"}})
        elif only is None or tool.name in only:
            written.append({"name": names.there(tool.name), **tool.body})
    return written


def write_gone(used: Iterable[str], names: NameMap) -> list[JsonObject]:
    """Return tools for history that used some: it needs them, even where the request brings none."""
    schema: JsonObject = {"type": "object", "properties": {}}
    return [{"name": names.there(name), "description": constants.GONE_TOOL, "input_schema": schema} for name in sorted(used)]


def write_choice(choice: ToolChoice, names: NameMap, *, parallel: bool) -> JsonObject | None:
    """Return Anthropic's `tool_choice` for a request that has tools; None for the default."""
    if choice.mode == "none":
        return {"type": "none"}
    written: JsonObject = {"type": choice.mode}
    if choice.mode == "tool":
        written["name"] = names.there(choice.name)
    if not parallel:
        written["disable_parallel_tool_use"] = True
    return None if written == {"type": "auto"} else written
