"""Marks of the prompt cache. Hides how many there may be, their order, and when one is set without asking.

Source: wire-anthropic §2.10.
"""

from collections.abc import Mapping
from typing import Final, cast

from chromagent.codec import JsonObject, JsonValue
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.lenient import as_list, as_object, member

MOST_MARKS: Final = 4
_LONG_TTLS: Final = ("30m", "1h", "12h", "24h")


def read_mark(container: JsonObject) -> JsonObject | None:
    """Read `cache_control`, else `prompt_cache_breakpoint`, of a part, a message, a tool or a call."""
    if "cache_control" not in container and "prompt_cache_breakpoint" not in container:
        return None
    given = container.get("cache_control")
    if isinstance(given, dict):
        return _clean(cast("JsonObject", given))
    breakpoint_ = container.get("prompt_cache_breakpoint")
    if isinstance(breakpoint_, dict):
        ttl = cast("JsonObject", breakpoint_).get("ttl")
        return {"type": "ephemeral", "ttl": "1h"} if ttl in _LONG_TTLS else {"type": "ephemeral"}
    return None


def _clean(given: JsonObject) -> JsonObject:
    ttl = given.get("ttl")
    return {"type": "ephemeral", "ttl": ttl} if ttl in ("5m", "1h") else {"type": "ephemeral"}


def automatic(request: Mapping[str, JsonValue], body: JsonObject, policy: str) -> JsonObject | None:
    """Return the mark that the whole request gets, or None. Raises `InvalidRequest` for an unknown mode."""
    if (given := request.get("cache_control")) is not None:
        return _clean(as_object(given))
    options = as_object(request.get("prompt_cache_options"))
    mode = options.get("mode")
    if mode not in (None, "implicit", "explicit"):
        raise wrong_value(Place(("prompt_cache_options", "mode"), dotted=True), "'mode' must be implicit or explicit.")
    retention = request.get("prompt_cache_retention")
    asked = request.get("prompt_cache_key") is not None or retention is not None or mode == "implicit"
    if policy == "never":
        return None
    agentic = bool(body.get("tools")) or any(message["role"] == "assistant" for message in body["messages"])
    if not (asked or agentic or policy == "always") or mode == "explicit":
        return None
    if _marked_blocks(body) or len(_marked_prefix(body)) >= MOST_MARKS:
        return None
    long = retention == "24h" or options.get("ttl") in _LONG_TTLS
    return {"type": "ephemeral", "ttl": "1h"} if long else {"type": "ephemeral"}


def settle(body: JsonObject) -> None:
    """Keep as many marks as there may be, and put longer ones before shorter ones. The body is changed."""
    marked = _marked_prefix(body) + _marked_blocks(body)
    if not marked:
        return
    allowed = MOST_MARKS - ("cache_control" in body)
    if len(marked) > allowed:
        kept = _choose(body, marked, allowed)
        identities = {id(holder) for holder in kept}
        for holder in marked:
            if id(holder) not in identities:
                del holder["cache_control"]
        marked = kept
    last_long = max((index for index, holder in enumerate(marked) if holder["cache_control"].get("ttl") == "1h"), default=-1)
    if member(body, "cache_control").get("ttl") == "1h":
        last_long = len(marked)
    for holder in marked[: max(last_long, 0)]:
        holder["cache_control"] = {"type": "ephemeral", "ttl": "1h"}


def place_explicitly(body: JsonObject, mark: JsonObject) -> None:
    """Say by marks what the whole request's mark would say, where the upstream does not know that."""
    candidates: list[JsonObject] = []
    for holders in (as_list(body.get("tools"))[-1:], as_list(body.get("system"))[-1:]):
        candidates += [as_object(holder) for holder in holders]
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            candidates += message["content"][-1:]
            break
    for holder in candidates:
        holder.setdefault("cache_control", dict(mark))


def _choose(body: JsonObject, marked: list[JsonObject], allowed: int) -> list[JsonObject]:
    """Keep the last mark of the tools and of the system text, then the last ones of the conversation."""
    of_tools, of_system = ({id(holder) for holder in as_list(body.get(name))} for name in ("tools", "system"))
    tools = [holder for holder in marked if id(holder) in of_tools]
    system = [holder for holder in marked if id(holder) in of_system]
    first = [*tools[-1:], *system[-1:]]
    others = [holder for holder in marked if id(holder) not in of_tools and id(holder) not in of_system]
    room = max(allowed - len(first), 0)
    return [*first, *(others[-room:] if room else [])]


def _marked_prefix(body: JsonObject) -> list[JsonObject]:
    return [holder for name in ("tools", "system") for holder in as_list(body.get(name)) if "cache_control" in holder]


def _marked_blocks(body: JsonObject) -> list[JsonObject]:
    return [block for message in body["messages"] for block in message["content"] if "cache_control" in block]
