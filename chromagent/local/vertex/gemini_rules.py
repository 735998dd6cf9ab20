"""What Gemini refuses. Every rule has its source in wire-gemini; messages are Google's as far as they are known."""

import re
from collections.abc import Sequence
from typing import Any, Final, cast

from chromagent.codec import JsonObject, JsonValue
from chromagent.local.vertex import images, signatures
from chromagent.local.vertex.families import GeminiFamily
from chromagent.local.vertex.refusals import Refused
from chromagent.local.vertex.shapes import ANY, inner_schemas, member, members, unknown, values

_BLOB: Final = {"mimeType": ANY, "data": ANY, "displayName": ANY}
_FILE: Final = {"mimeType": ANY, "fileUri": ANY, "displayName": ANY}
_CALL: Final = {"id": ANY, "name": ANY, "args": ANY, "partialArgs": ANY, "willContinue": ANY}
_RESPONSE: Final = {
    "id": ANY,
    "name": ANY,
    "response": ANY,
    "parts": [{"inlineData": _BLOB, "fileData": _FILE}],
    "willContinue": ANY,
    "scheduling": ANY,
}
_PART: Final = {
    "text": ANY,
    "thought": ANY,
    "thoughtSignature": ANY,
    "inlineData": _BLOB,
    "fileData": _FILE,
    "functionCall": _CALL,
    "functionResponse": _RESPONSE,
    "executableCode": ANY,
    "codeExecutionResult": ANY,
    "videoMetadata": ANY,
    "mediaResolution": {"level": ANY},
}
_CONTENT: Final = {"role": ANY, "parts": [_PART]}
_DECLARATION: Final = {
    "name": ANY,
    "description": ANY,
    "parameters": ANY,
    "parametersJsonSchema": ANY,
    "response": ANY,
    "responseJsonSchema": ANY,
    "behavior": ANY,
}
_TOOL: Final = {
    "functionDeclarations": [_DECLARATION],
    "googleSearch": ANY,
    "googleSearchRetrieval": ANY,
    "codeExecution": ANY,
    "urlContext": ANY,
    "googleMaps": ANY,
    "retrieval": ANY,
    "enterpriseWebSearch": ANY,
    "computerUse": ANY,
}
_GENERATION: Final[dict[str, Any]] = {
    **dict.fromkeys(("temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "responseMimeType")),
    **dict.fromkeys(("responseSchema", "responseJsonSchema", "presencePenalty", "frequencyPenalty", "seed", "responseLogprobs")),
    **dict.fromkeys(("logprobs", "audioTimestamp", "responseModalities", "mediaResolution", "speechConfig", "imageConfig")),
    "thinkingConfig": {"thinkingLevel": ANY, "thinkingBudget": ANY, "includeThoughts": ANY},
}
_CALLING: Final = {"mode": ANY, "allowedFunctionNames": ANY, "streamFunctionCallArguments": ANY}
_BODY: Final = {
    "contents": [_CONTENT],
    "systemInstruction": _CONTENT,
    "tools": [_TOOL],
    "toolConfig": {"functionCallingConfig": _CALLING, "retrievalConfig": ANY, "includeServerSideToolInvocations": ANY},
    "generationConfig": _GENERATION,
    "safetySettings": ANY,
    "labels": ANY,
    "cachedContent": ANY,
    "modelArmorConfig": ANY,
    "continuationToken": ANY,
}
_DATA: Final = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult")
_UNEQUAL: Final = (
    "Please ensure that the number of function response parts is equal to the number of function call parts "
    "of the function call turn."
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_KEYWORDS: Final = frozenset(
    [
        "$id",
        "$defs",
        "$ref",
        "$anchor",
        "type",
        "format",
        "title",
        "description",
        "enum",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "anyOf",
        "oneOf",
        "properties",
        "additionalProperties",
        "required",
        "propertyOrdering",
        "default",
        "pattern",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
    ]
)
_TYPED: Final = frozenset(
    [
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "default",
        "items",
        "minItems",
        "maxItems",
        "enum",
        "properties",
        "propertyOrdering",
        "required",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
    ]
)


def check(body: JsonObject, family: GeminiFamily, *, version: str, developer: bool) -> None:
    """Refuse what Gemini refuses."""
    _check_fields(body, version, developer=developer)
    contents = members(body, "contents")
    if not contents:
        raise Refused("* GenerateContentRequest.contents: contents is not specified\n")
    for index, content in enumerate(contents):
        _check_content(content, index)
    _check_turns(contents, family)
    if family.signs:
        _check_signatures(contents)
    _check_tools(body, family, developer=developer)
    _check_generation(body, family)
    _check_rest(body)


def _join(path: str, step: str | int) -> str:
    if isinstance(step, int):
        return f"{path}[{step}]"
    snake = re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", step)
    return f"{path}.{snake}" if path else snake


def _check_fields(body: JsonObject, version: str, *, developer: bool) -> None:
    shape: dict[str, Any] = dict(_BODY)
    if developer:
        shape["serviceTier"] = ANY
        del shape["labels"], shape["modelArmorConfig"]
    for name, path in unknown(body, shape, "", _join):
        raise _unknown_name(name, path)
    if version == "v1":
        if "continuationToken" in body:
            raise _unknown_name("continuationToken", "")
        for index, content in enumerate(members(body, "contents")):
            for number, part in enumerate(members(content, "parts")):
                for kind, snake in (("functionCall", "function_call"), ("functionResponse", "function_response")):
                    if "id" in part.get(kind, {}):
                        raise _unknown_name("id", f"contents[{index}].parts[{number}].{snake}")


def _unknown_name(name: str, path: str) -> Refused:
    place = f" at '{path}'" if path else ""
    return Refused(f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')


def _check_content(content: JsonObject, index: int) -> None:
    if content.get("role") not in ("user", "model"):
        raise Refused("Please use a valid role: user, model.")
    parts = members(content, "parts")
    if not parts:
        raise Refused(f"Unable to submit request because it must include at least one parts field (contents[{index}]).")
    for number, part in enumerate(parts):
        data = [name for name in _DATA if name in part]
        if len(data) != 1:
            raise Refused(
                f"* GenerateContentRequest.contents[{index}].parts[{number}].data: "
                "required oneof field 'data' must have one initialized field\n"
            )
        if part.get("text") == "" and len(parts) == 1 and content["role"] == "user":
            raise Refused(
                "Unable to submit request because it has an empty text parameter. Add a value to the parameter and try again."
            )
        _check_media(part, f"contents[{index}].parts[{number}]")
        response = part.get("functionResponse")
        if response is not None and (not isinstance(response.get("response"), dict) or _holds_reference(response["response"])):
            raise Refused("Function response: referenced name `x` does not match to a display_name in the function response parts.")
        for inner in members((response or {}), "parts"):
            _check_media(inner, f"contents[{index}].parts[{number}].function_response")


def _check_media(part: JsonObject, path: str) -> None:
    blob = part.get("inlineData")
    if blob is not None:
        try:
            images.describe(str(blob.get("data", "")), str(blob.get("mimeType", "")))
        except ValueError as error:
            raise Refused(f"Invalid value at '{path}.inline_data.data' (TYPE_BYTES), Base64 decoding failed.") from error
        if not re.fullmatch(r"(image|audio|video)/[\w.+-]+|application/[\w.+-]+|text/plain", str(blob.get("mimeType", ""))) or (
            blob["mimeType"] in ("application/json", "application/xml")
        ):
            raise Refused(f"Unsupported MIME type: {blob.get('mimeType')}")
    file = part.get("fileData")
    if file is not None and not re.match(r"gs://|https?://", str(file.get("fileUri", ""))):
        raise Refused("Unsupported file URI type.")


def _holds_reference(value: JsonValue) -> bool:
    if isinstance(value, dict):
        members = cast("JsonObject", value)
        return "$ref" in members or any(_holds_reference(item) for item in members.values())
    return isinstance(value, list) and any(_holds_reference(item) for item in cast("list[JsonValue]", value))


def _count(content: JsonObject, kind: str) -> int:
    return sum(kind in part for part in content["parts"])


def _check_turns(contents: Sequence[JsonObject], family: GeminiFamily) -> None:
    if contents[0]["role"] != "user":
        raise Refused("Please ensure that multiturn requests start with a user turn and alternate between user and model turns.")
    before: JsonObject | None = None
    for content in contents:
        responses = _count(content, "functionResponse")
        called = _count(before, "functionCall") if before is not None and before["role"] == "model" else 0
        if responses != called:
            raise Refused(_UNEQUAL)
        if _count(content, "functionCall") and (content["role"] != "model" or before is None or before["role"] != "user"):
            raise Refused(
                "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
            )
        if responses:
            _check_names(cast("JsonObject", before), content)
        before = content
    last = contents[-1]
    if _count(last, "functionCall"):
        raise Refused(_UNEQUAL)
    if last["role"] == "model" and not family.prefill:
        raise Refused("The last content must not be a model turn: prefilling is not supported for this model.")


def _check_names(model: JsonObject, user: JsonObject) -> None:
    called = [part["functionCall"].get("name") for part in model["parts"] if "functionCall" in part]
    answered = [part["functionResponse"].get("name") for part in user["parts"] if "functionResponse" in part]
    if sorted(called) != sorted(answered):
        raise Refused("The function responses do not match the names of the function calls of the turn before.")


def _check_signatures(contents: Sequence[JsonObject]) -> None:
    """The steps of the current turn must carry what they were signed with."""
    start = max(
        (index for index, one in enumerate(contents) if one["role"] == "user" and not _count(one, "functionResponse")), default=0
    )
    for index, content in enumerate(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        for number, part in enumerate(calls):
            signature = part.get("thoughtSignature")
            call = part["functionCall"]
            if signature is None:
                if number == 0 and index > start:
                    raise Refused(
                        f"Unable to submit request because function call `{call.get('name')}` in the {index + 1}. content block "
                        "is missing a `thought_signature`."
                    )
            elif signature not in signatures.DUMMIES and not signatures.is_genuine(
                signature, "gemini", call.get("name"), call.get("args", {})
            ):
                raise Refused("Corrupted thought signature.")


def _check_tools(body: JsonObject, family: GeminiFamily, *, developer: bool) -> None:
    tools = members(body, "tools")
    declared = [one for tool in tools for one in members(tool, "functionDeclarations")]
    built_in = [name for tool in tools for name in tool if name != "functionDeclarations"]
    names = [str(one.get("name", "")) for one in declared]
    for index, one in enumerate(declared):
        if not _NAME.fullmatch(names[index]):
            raise Refused(
                f"Invalid function name `{names[index]}` at 'tools[0].function_declarations[{index}].name'. "
                "Must start with a letter or an underscore."
            )
        _check_schema(one, index)
    if len(set(names)) < len(names):
        raise Refused("Duplicate function declaration found.")
    if declared and built_in and family.generation < 3:
        raise Refused("Multiple tools are supported only when they are all search tools.")
    config = member(body, "toolConfig")
    flag = config.get("includeServerSideToolInvocations")
    if declared and built_in and bool(flag) != developer:
        raise Refused("Invalid tool_config: include_server_side_tool_invocations.")
    _check_calling(member(config, "functionCallingConfig"), names)


def _check_calling(calling: JsonObject, names: Sequence[str]) -> None:
    if not calling:
        return
    if not names:
        raise Refused("Function calling config is set without function_declarations.")
    if calling.get("mode") not in ("AUTO", "ANY", "NONE", "VALIDATED"):
        raise Refused("Invalid value at 'tool_config.function_calling_config.mode'.")
    allowed = values(calling, "allowedFunctionNames")
    if allowed and calling["mode"] not in ("ANY", "VALIDATED"):
        raise Refused("allowed_function_names should be set only when the mode is ANY.")
    for name in allowed:
        if name not in names:
            raise Refused(f"allowed_function_names contains `{name}`, which is not declared.")


def _check_schema(declaration: JsonObject, index: int) -> None:
    path = f"tools[0].function_declarations[{index}]"
    if "parameters" in declaration and "parametersJsonSchema" in declaration:
        raise Refused("parameters and parameters_json_schema are mutually exclusive.")
    if "parameters" in declaration:
        check_typed(declaration["parameters"], f"{path}.parameters")
    if "parametersJsonSchema" in declaration:
        schema = declaration["parametersJsonSchema"]
        if schema.get("type", "object") != "object" and "$ref" not in schema:
            raise Refused(f"{path}.parameters_json_schema must be an object schema.")
        check_json_schema(schema, f"{path}.parameters_json_schema")


def check_json_schema(schema: JsonValue, path: str) -> None:
    """Refuse keywords outside the documented subset, and references that say more."""
    if isinstance(schema, bool) or not isinstance(schema, dict):
        raise Refused(f"Invalid schema at '{path}'.")
    node = cast("JsonObject", schema)
    for name in node:
        if name not in _KEYWORDS:
            raise Refused(f"Unsupported keyword `{name}` at '{path}'.")
    if "$ref" in node and node.keys() - {"$ref", "description", "default", "$defs"}:
        raise Refused(
            f"$ref '{node['$ref']}' was set alongside unsupported fields. If a schema node has $ref set, "
            "then only description and default can be set alongside it"
        )
    if "enum" in node and not node["enum"]:
        raise Refused(f"enum must not be empty at '{path}'.")
    for name in values(node, "required"):
        if name not in member(node, "properties"):
            raise Refused(f"{path}.required: property `{name}` is not defined.")
    for inner, here in inner_schemas(node, path):
        check_json_schema(inner, here)


def check_typed(schema: JsonValue, path: str) -> None:
    """Refuse what Google's typed schema does not have."""
    node = cast("JsonObject", schema)
    for name in node:
        if name not in _TYPED:
            raise _unknown_name(name, path)
    kind = str(node.get("type", ""))
    if not kind and "anyOf" not in node:
        raise Refused(f"* GenerateContentRequest.{path}.type: must be specified\n")
    if kind.upper() == "ARRAY" and "items" not in node:
        raise Refused(f"* GenerateContentRequest.{path}.items: missing field.\n")
    if "anyOf" in node and node.keys() - {"anyOf"}:
        raise Refused(f"{path}: any_of must be the only field of a schema.")
    if "enum" in node and kind.upper() != "STRING":
        raise Refused(f"* GenerateContentRequest.{path}.enum: only allowed for STRING type\n")
    for name, inner in member(node, "properties").items():
        check_typed(inner, f"{path}.properties[{name}]")
    for number, inner in enumerate(members(node, "anyOf")):
        check_typed(inner, f"{path}.any_of[{number}]")
    if "items" in node:
        check_typed(node["items"], f"{path}.items")


def _check_generation(body: JsonObject, family: GeminiFamily) -> None:
    config = member(body, "generationConfig")
    _check_thinking(member(config, "thinkingConfig"), family)
    if family.generation >= 3 and (config.get("presencePenalty") or config.get("frequencyPenalty")):
        raise Refused("Penalty is not enabled for this model")
    if family.generation >= 3 and (config.get("responseLogprobs") or config.get("logprobs")):
        raise Refused("Unable to submit request because Logprobs is not supported for this model.")
    if len(values(config, "stopSequences")) > 5:
        raise Refused("Unable to submit request because it has too many stop sequences: the maximum is 5.")
    seed = config.get("seed")
    if seed is not None and not -(2**31) <= seed < 2**31:
        raise Refused("Invalid value at 'generation_config.seed' (TYPE_INT32)")
    if not 0 <= config.get("temperature", 1) <= 2:
        raise Refused("Unable to submit request because it has a temperature value outside of the range [0, 2].")
    if not 1 <= config.get("candidateCount", 1) <= 8:
        raise Refused("Unable to submit request because candidateCount must be between 1 and 8.")
    schema = config.get("responseJsonSchema", config.get("responseSchema"))
    if schema is not None and config.get("responseMimeType") != "application/json":
        raise Refused("Unable to submit request because response_schema needs response_mime_type: application/json.")
    if "responseJsonSchema" in config:
        check_json_schema(config["responseJsonSchema"], "generation_config.response_json_schema")
    if config.get("responseMimeType") == "application/json" and body.get("tools") and family.generation < 3:
        raise Refused("Function calling with a response mime type: 'application/json' is unsupported")


def _check_thinking(thinking: JsonObject, family: GeminiFamily) -> None:
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if level is not None and budget is not None:
        raise Refused("Unable to submit request because thinking_budget and thinking_level are not supported together.")
    if thinking and not family.levels and family.budgets is None and not (family.draws or family.speaks):
        raise Refused("Unable to submit request because Thinking is not supported by this model.")
    if level is not None and family.budgets is not None:
        raise Refused("Thinking level is not supported for this model.")
    if level is not None and level not in family.levels:
        known = ", ".join(name.lower() for name in family.levels)
        raise Refused(f"'{str(level).lower()}' is not a supported thinking level for this model. Allowed values are: {known}.")
    if budget is not None and family.budgets is not None and budget != -1 and not family.budgets[0] <= budget <= family.budgets[1]:
        low, high = family.budgets
        raise Refused(f"The thinking budget {budget} is invalid. Please choose a value between {low} and {high}.")


def _check_rest(body: JsonObject) -> None:
    if body.get("cachedContent") and body.keys() & {"systemInstruction", "tools", "toolConfig"}:
        raise Refused("Tool config, tools and system instruction should not be set in the request when using cached content.")
    for key, value in member(body, "labels").items():
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", str(value)):
            raise Refused("Invalid label.")
    system = members(member(body, "systemInstruction"), "parts")
    if "systemInstruction" in body and not (system and all(part.get("text") for part in system)):
        raise Refused("Unable to submit request because the system instruction must have a text parameter.")
