"""Tools and the choice among them. Hides function declarations, Google's own tools, custom tools and the deprecated form.

Source: wire-gemini §2.6 and §2.8. Tools are read first; they are written when the names of the whole conversation are known.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

import msgspec

from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.budget import SchemaBudget, TooLarge
from chromagent.translators.gemini import allow_list, json_schema
from chromagent.translators.gemini.allow_list import Resources
from chromagent.translators.gemini.extensions import Extensions
from chromagent.translators.gemini.names import NameMap
from chromagent.translators.gemini.profiles import Profile

MOST_DECLARATIONS: Final = 512
_COMBINATION: Final = "invalid_parameter_combination"
_CUSTOM_SCHEMA: Final[JsonObject] = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
_BUILT_IN: Final = {
    "web_search": "googleSearch",
    "web_search_preview": "googleSearch",
    "google_search": "googleSearch",
    "googleSearch": "googleSearch",
    "url_context": "urlContext",
    "urlContext": "urlContext",
    "code_execution": "codeExecution",
    "code_interpreter": "codeExecution",
    "codeExecution": "codeExecution",
    "google_maps": "googleMaps",
    "googleMaps": "googleMaps",
}


_OPENAI_SEARCH: Final = frozenset({"searchContextSize", "userLocation"})
"""Options of OpenAI's search that Google's has not: ignored as those of `web_search_options` are."""


class Declaration(msgspec.Struct):
    """One function, as the client declared it. `index` is its place in the request."""

    index: int
    name: str
    description: str
    schema: JsonObject | None
    strict: bool = False
    custom: bool = False


class ToolSet(msgspec.Struct):
    """All tools of a request."""

    functions: dict[str, Declaration]
    """By name, in the client's order."""
    built_in: dict[str, JsonObject]
    budget: SchemaBudget
    """For all schemas of the request."""
    legacy: bool = False
    """They came as `functions`: answers use `function_call`."""
    weakened: bool = False
    """A schema was sent that allows more than the client's."""

    @property
    def custom(self) -> frozenset[str]:
        """Names of custom tools."""
        return frozenset(name for name, function in self.functions.items() if function.custom)


class ToolChoice(NamedTuple):
    """Which functions may or must be called. `names` is None for all of them."""

    mode: str
    """auto, none or any."""
    names: list[str] | None = None


_AUTO: Final = ToolChoice("auto")


def read_tools(
    request: Mapping[str, JsonValue], profile: Profile, google: Extensions, resources: Resources, budget: SchemaBudget
) -> ToolSet:
    """Read `tools`, `functions`, `web_search_options` and the extension `tools`. Raises `InvalidRequest`."""
    tools = ToolSet({}, {}, budget)
    for index, tool in enumerate(request.get("tools") or []):
        _read_tool(tools, tool, index, resources)
    for index, tool in enumerate(google.get("tools") or []):
        place = google.place("tools").at(index)
        _read_built_in(tools, reading.mapping(tool, place), place, resources)
    if functions := request.get("functions"):
        if request.get("tools"):
            raise InvalidRequest("'functions' and 'tools' exclude each other.", param="functions", code=_COMBINATION)
        tools.legacy = True
        for index, function in enumerate(functions):
            place = Place(("functions", index))
            _read_function(tools, reading.mapping(function, place), index, place)
    if len(tools.functions) > MOST_DECLARATIONS:
        raise wrong_value(Place(("tools",)), f"At most {MOST_DECLARATIONS} functions are possible.", "array_above_max_length")
    mixed = "tools" if tools.built_in else "web_search_options"
    if request.get("web_search_options") is not None:
        tools.built_in.setdefault("googleSearch", {})
    if tools.built_in and tools.functions and not profile.modern:
        message = "This model cannot use built-in tools together with functions."
        raise InvalidRequest(message, param=mixed, code=_COMBINATION)
    return tools


def _read_tool(tools: ToolSet, tool: JsonObject, index: int, resources: Resources) -> None:
    place = Place(("tools", index))
    kind = tool.get("type")
    if kind == "function" or (kind is None and "function" in tool):
        function = reading.required(tool, "function", reading.mapping, place)
        _read_function(tools, function, index, place.at("function"))
    elif kind == "custom":
        _read_custom(tools, tool, index, place)
    else:
        _read_built_in(tools, tool, place, resources)


def _read_built_in(tools: ToolSet, tool: JsonObject, place: Place, resources: Resources) -> None:
    """Read a tool of Google's: `{"type": "google_search"}` with or without its options, or `{"googleSearch": {…}}`."""
    kind = tool.get("type")
    if kind is None:
        found = allow_list.read_members(
            {name: {} if value is None else value for name, value in tool.items()}, place, resources, allow_list.TOOLS
        )
        if not found:
            raise reading.missing(place.at("type"))
        for name, options in found.items():
            _add_built_in(tools, name, options, place)
        return
    name = _BUILT_IN.get(str(kind))
    if name is None:
        raise wrong_value(place.at("type"), f"'{str(kind)[:50]}' is not a type of tool that this model has.")
    options: JsonObject = {}
    for member, value in tool.items():
        known = allow_list.camel(member)
        if value is None or member == "type" or (name == "googleSearch" and known in _OPENAI_SEARCH):
            continue
        here = place.at(member[: allow_list.MAX_NAME])
        if known != name and member != kind:
            raise allow_list.unknown(here, member, [name])
        options = cast("JsonObject", allow_list.TOOLS[name](value, here, resources))
    _add_built_in(tools, name, options, place)


def _add_built_in(tools: ToolSet, name: str, options: JsonObject, place: Place) -> None:
    if tools.built_in.setdefault(name, options) != options:
        raise wrong_value(place, f"There are two tools '{name}' with different options.")


def _read_function(tools: ToolSet, function: JsonObject, index: int, place: Place) -> None:
    name = _read_name(tools, function, place)
    description = reading.optional(function, "description", reading.text, place) or ""
    parameters = reading.optional(function, "parameters", reading.mapping, place)
    cleaned = json_schema.clean_parameters(parameters, place.at("parameters"), tools.budget) if parameters else None
    tools.weakened |= cleaned is not None and cleaned.weakened
    schema = None if cleaned is None else cleaned.schema
    strict = reading.optional(function, "strict", reading.boolean, place) or False
    tools.functions[name] = Declaration(index, name, description, schema, strict)


def _read_custom(tools: ToolSet, tool: JsonObject, index: int, place: Place) -> None:
    custom = reading.required(tool, "custom", reading.mapping, place)
    here = place.at("custom")
    name = _read_name(tools, custom, here)
    form = reading.optional(custom, "format", reading.mapping, here) or {}
    if form.get("type", "text") != "text":
        raise wrong_value(here.at("format"), "Grammars cannot be sent to this model.", "unsupported_value")
    description = reading.optional(custom, "description", reading.text, here) or ""
    tools.functions[name] = Declaration(index, name, description, _CUSTOM_SCHEMA, custom=True)


def _read_name(tools: ToolSet, container: JsonObject, place: Place) -> str:
    name = reading.required(container, "name", reading.text, place)
    if not name:
        raise wrong_value(place.at("name"), "A function needs a name.")
    if name in tools.functions:
        raise wrong_value(place.at("name"), f"There are two functions named '{name[:64]}'.")
    return name


def read_choice(request: Mapping[str, JsonValue], tools: ToolSet) -> ToolChoice:
    """Read `tool_choice` or `function_call`. Raises `InvalidRequest`."""
    field_name = "tool_choice" if request.get("tool_choice") is not None else "function_call"
    value = request.get(field_name)
    if value is None or value == "auto":
        return _AUTO
    if value == "none":
        return ToolChoice("none")
    chosen = _read_chosen(value, field_name)
    if not tools.functions:
        raise InvalidRequest(f"'{field_name}' needs tools to choose from.", param=field_name, code=_COMBINATION)
    for name in chosen.names or []:
        if name not in tools.functions:
            raise InvalidRequest(f"'{field_name}' names '{name[:64]}', which is not among the tools.", param=field_name)
    return chosen


def _read_chosen(value: JsonValue, field_name: str) -> ToolChoice:
    if value == "required":
        return ToolChoice("any")
    place = Place((field_name,))
    if isinstance(value, dict):
        choice = cast("JsonObject", value)
        kind = choice.get("type", "function" if "name" in choice else None)
        if kind == "allowed_tools":
            return _read_allowed(choice, place)
        if kind in ("function", "custom"):
            return ToolChoice("any", [_read_named(choice, str(kind), place)])
    raise wrong_value(place, f"'{field_name}' must be 'none', 'auto', 'required' or name a tool.")


def _read_allowed(choice: JsonObject, place: Place) -> ToolChoice:
    allowed = reading.required(choice, "allowed_tools", reading.mapping, place)
    mode = allowed.get("mode")
    entries = reading.required(allowed, "tools", reading.array, place.at("allowed_tools"))
    if mode not in ("auto", "required") or not entries:
        raise wrong_value(place, "'allowed_tools' needs a mode (auto or required) and at least one tool.")
    names: list[str] = []
    for index, entry in enumerate(entries):
        here = place.at("allowed_tools", "tools", index)
        tool = reading.mapping(entry, here)
        names.append(_read_named(tool, str(tool.get("type", "function")), here))
    return ToolChoice("auto" if mode == "auto" else "any", names)


def _read_named(container: JsonObject, kind: str, place: Place) -> str:
    """Read `{type, function: {name}}`, also in its flat spelling."""
    inner = container.get(kind)
    holder = cast("JsonObject", inner) if isinstance(inner, dict) else container
    return reading.required(holder, "name", reading.text, place)


def write_tools(tools: ToolSet, choice: ToolChoice, names: NameMap, *, openapi: bool) -> list[JsonObject]:
    """Return Gemini's `tools`: one element with all functions, then one for each built-in tool."""
    kept = list(tools.functions.values())
    if choice.mode == "auto" and choice.names is not None:
        chosen = frozenset(choice.names)
        kept = [function for function in kept if function.name in chosen]
    written: list[JsonObject] = []
    if kept:
        written.append(
            {"functionDeclarations": [_write_declaration(function, names, tools.budget if openapi else None) for function in kept]}
        )
    written += [{name: options} for name, options in tools.built_in.items()]
    return written


def _write_declaration(function: Declaration, names: NameMap, openapi: SchemaBudget | None) -> JsonObject:
    """Write one declaration; where a budget is given, in the form of old endpoints."""
    declaration: JsonObject = {"name": names.there(function.name)}
    if function.description:
        declaration["description"] = function.description
    if function.schema is not None and openapi is not None:
        place = Place(("tools", function.index, "function", "parameters"))
        declaration["parameters"] = to_openapi(function.schema, place, openapi)
    elif function.schema is not None:
        declaration["parametersJsonSchema"] = function.schema
    return declaration


def to_openapi(schema: JsonObject, place: Place, budget: SchemaBudget) -> JsonObject:
    """Rewrite a cleaned schema for old endpoints. Raises `InvalidRequest` when it grows too large or too deep."""
    from chromagent.translators.gemini import openapi_schema  # noqa: PLC0415 - few endpoints are so old

    try:
        return openapi_schema.to_openapi(schema, budget)
    except (TooLarge, RecursionError) as error:
        raise wrong_value(place, "The schema is too large when its references are written out.") from error


VALIDATED: Final[JsonObject] = {"mode": "VALIDATED"}


def write_choice(tools: ToolSet, choice: ToolChoice, names: NameMap, *, validated: bool) -> JsonObject | None:
    """Return `functionCallingConfig`, which may only stand beside declarations; None for the default."""
    if not tools.functions:
        return None
    if choice.mode == "none":
        return {"mode": "NONE"}
    if choice.mode == "any":
        config: JsonObject = {"mode": "ANY"}
        if choice.names is not None:
            config["allowedFunctionNames"] = [names.there(name) for name in choice.names]
        return config
    if not validated:
        return None
    offered = tools.functions if choice.names is None else dict.fromkeys(choice.names)
    strict = any(function.strict and name in offered for name, function in tools.functions.items())
    return VALIDATED if strict else None
