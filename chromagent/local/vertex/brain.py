"""The little model: a prompt in neutral terms → what to answer. Deterministic, and good enough to show every feature."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.local.vertex.schemas import InstanceMaker

_COMMON: Final = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "for",
        "from",
        "get",
        "give",
        "has",
        "have",
        "how",
        "i",
        "in",
        "into",
        "is",
        "it",
        "list",
        "me",
        "my",
        "of",
        "on",
        "or",
        "please",
        "set",
        "show",
        "tell",
        "that",
        "the",
        "this",
        "then",
        "to",
        "use",
        "was",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "call",
        "tools",
        "tool",
        "find",
        "good",
        "answer",
    ]
)
_NO_NAMES: Final = frozenset(
    [
        "What",
        "And",
        "Which",
        "How",
        "Tell",
        "Please",
        "Is",
        "Are",
        "The",
        "In",
        "For",
        "Then",
        "Use",
        "Call",
        "Describe",
        "Say",
        "Count",
        "I",
        "It",
        "Who",
        "Why",
        "When",
        "Where",
        "Give",
        "Find",
        "Show",
        "Good",
        "Compare",
        "Look",
        "Get",
        "Also",
        "Now",
        "Answer",
        "Reply",
        "Return",
    ]
)


@dataclass(frozen=True)
class Tool:
    """A declared function."""

    name: str
    description: str
    schema: JsonObject


@dataclass(frozen=True)
class Call:
    """A call to make."""

    name: str
    arguments: JsonObject


@dataclass
class Prompt:
    """What a request asks, whichever vendor's."""

    text: str = ""
    """The last thing that the user said."""
    earlier: list[str] = field(default_factory=list[str])
    media: list[str] = field(default_factory=list[str])
    tools: list[Tool] = field(default_factory=list[Tool])
    choice: str = "auto"
    """auto, none, any."""
    allowed: list[str] | None = None
    parallel: bool = True
    rounds: int = 0
    """Tool calls answered since the user spoke."""
    results: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Name and content of the results that just came."""
    schema: JsonObject | None = None
    json: bool = False
    thinks: int = 0
    """How many words of thinking."""
    prefill: str = ""


@dataclass
class Plan:
    """What to answer."""

    thoughts: str
    text: str
    calls: list[Call]


def plan(prompt: Prompt) -> Plan:
    """Decide on the answer."""
    calls = _calls(prompt)
    thoughts = _think(prompt, calls)
    return Plan(thoughts, "" if calls else _text(prompt), calls)


def _think(prompt: Prompt, calls: Sequence[Call]) -> str:
    if not prompt.thinks:
        return ""
    what = f"calling {calls[0].name}" if calls else "a direct answer"
    words = f'The user said "{_quote(prompt.text)}". I weigh what is known and choose {what}. The words say so.'.split()
    return " ".join((words * (prompt.thinks // len(words) + 1))[: max(prompt.thinks, 5)])


def _calls(prompt: Prompt) -> list[Call]:
    if prompt.choice == "none" or not prompt.tools:
        return []
    steps = re.split(r"\bthen\b", prompt.text)
    step = steps[min(prompt.rounds, len(steps) - 1)]
    offered = [tool for tool in prompt.tools if prompt.allowed is None or tool.name in prompt.allowed]
    if prompt.rounds >= len(steps) and prompt.choice != "any":
        return []
    wanted = [tool for tool in offered if _matches(tool, step)]
    if not wanted and prompt.choice == "any":
        wanted = offered[:1]
    calls = [call for tool in wanted for call in _fill(tool, step)]
    return calls if prompt.parallel else calls[:1]


def _matches(tool: Tool, text: str) -> bool:
    """Say whether a text asks for what a tool's name says, or most of what its description says."""
    words = set(_words(text))
    if tool.name.lower() in text.lower() or words & set(_words(tool.name.replace("_", " ").replace("-", " "))):
        return True
    described = set(_words(tool.description))
    return len(described) > 1 and len(words & described) * 2 >= len(described)


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]{3,}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()) if word not in _COMMON]


def _fill(tool: Tool, text: str) -> list[Call]:
    """Make one call, or one for each thing that the text names."""
    own = {*_words(tool.name.replace("_", " ")), *_words(tool.description)}
    names = [name for name in _named(text) if name.lower() not in own]
    numbers = [_number(digits) for digits in re.findall(r"-?\d+(?:\.\d+)?", text)]
    properties: JsonObject = tool.schema.get("properties", {})
    free = [name for name, schema in properties.items() if schema.get("type") in ("string", "STRING") and not schema.get("enum")]
    several = len(names) if len(free) == 1 and len(names) > 1 else 1
    calls: list[Call] = []
    for number in range(several):
        left = names[number:] if several > 1 else list(names)
        arguments: JsonObject = {}
        for name, schema in properties.items():
            value = _argument(tool, name, schema, text, left, numbers)
            if value is not None:
                arguments[name] = value
        calls.append(Call(tool.name, arguments))
    return calls


def _argument(tool: Tool, name: str, schema: JsonObject, text: str, names: list[str], numbers: list[JsonValue]) -> JsonValue:
    required = name in tool.schema.get("required", [])
    kind = str(schema.get("type", "")).lower()
    if schema.get("enum"):
        said = next((value for value in schema["enum"] if str(value).lower() in text.lower()), None)
        return said if said is not None or not required else schema["enum"][0]
    if kind in ("integer", "number") and numbers:
        return numbers.pop(0)
    if kind == "string" and names:
        return names.pop(0)
    return InstanceMaker(tool.schema, _words(text)).make(schema, 1) if required else None


def _named(text: str) -> list[str]:
    """Find what a text names: quoted strings, else words with a capital."""
    quoted = re.findall(r'"([^"]+)"', text)
    return quoted or [word for word in re.findall(r"\b[A-Z][\w-]+", text) if word not in _NO_NAMES]


def _number(digits: str) -> JsonValue:
    return float(digits) if "." in digits else int(digits)


def _text(prompt: Prompt) -> str:
    if prompt.schema is not None or prompt.json:
        words = [*_named(prompt.text), *_words(prompt.text)]
        schema = prompt.schema or {"type": "object", "properties": {"answer": {"type": "string"}, "about": {"type": "string"}}}
        return codec.encode_text(InstanceMaker(schema, words).make())
    if prompt.results:
        found = " ".join(f"{name} says {content}." for name, content in prompt.results)
        return f"Here is what I found. {found}"
    return _obey(prompt) or _remark(prompt)


def _obey(prompt: Prompt) -> str:
    """Do what a few plain commands ask."""
    if match := re.search(r"\bcount to (\d{1,5})", prompt.text, re.IGNORECASE):
        return " ".join(str(number) for number in range(1, int(match[1]) + 1))
    if match := re.search(r"\bsay (.+)", prompt.text, re.IGNORECASE | re.DOTALL):
        return match[1].strip().strip('"')
    if re.search(r"\brepeat\b", prompt.text, re.IGNORECASE) and prompt.earlier:
        return prompt.earlier[-1]
    if re.search(r"what did I (say|ask)", prompt.text, re.IGNORECASE) and prompt.earlier:
        return f'Before, you said: "{_quote(prompt.earlier[-1])}".'
    return ""


def _remark(prompt: Prompt) -> str:
    seen = f" I see {', '.join(prompt.media)}." if prompt.media else ""
    about = ", ".join(dict.fromkeys(_words(prompt.text))) or "nothing in particular"
    said = f'You said "{_quote(prompt.text)}".' if prompt.text else "You said nothing."
    return f"{said}{seen} This is a simulated answer about {about}. The same question always gets the same answer."


def _quote(text: str) -> str:
    words = text.split()
    return " ".join(words[:12]) + (" …" if len(words) > 12 else "")


def tokens(text: str) -> int:
    """Count tokens: a word is one."""
    return len(text.split())


def cut(text: str, limit: int, stops: Sequence[str]) -> tuple[str, str]:
    """Cut a text at the first stop sequence or at the limit of tokens; say why: stop_sequence, length or nothing."""
    reason = ""
    found = [(position, stop) for stop in stops if (position := text.find(stop)) >= 0]
    if found:
        text, reason = text[: min(found)[0]], f"stop_sequence:{min(found)[1]}"
    if tokens(text) > limit:
        pieces = re.findall(r"\S+\s*", text)
        text, reason = "".join(pieces[:limit]).rstrip(), "length"
    return text, reason
