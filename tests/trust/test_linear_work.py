"""What a caller sends costs work in proportion to its size: from the bytes of a request to those that go upstream, errors included.

Work is counted in lines of Python that run, so that a machine and its other work do not matter. What happens inside one call
of C (a pattern, a look into a list, a copy) is seen in CPU time only: that is compared with an ordinary request of that size.
"""

import base64
import gc
import json
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple

import pytest

from chromagent import codec
from chromagent.errors import InvalidRequest
from chromagent.schema import chat
from chromagent.translators.anthropic.names import NameMap
from chromagent.translators.anthropic.options import AnthropicOptions
from chromagent.translators.anthropic.translator import AnthropicTranslator
from chromagent.translators.gemini.options import GeminiOptions
from chromagent.translators.gemini.translator import GeminiTranslator
from chromagent.translators.protocol import Call
from tests.support import growing_requests
from tests.support.fuzzing import SEED
from tests.support.growing_requests import EPHEMERAL, USER, Request, asking, call, result, with_format, with_schema

GEMINI, CLAUDE = "gemini-3.8-flash", "claude-sonnet-4-6"
TRANSLATORS = {
    GEMINI: GeminiTranslator(GeminiOptions()),
    CLAUDE: AnthropicTranslator(AnthropicOptions(repair_missing_tool_results=True)),
}
OPENAPI = {GEMINI: GeminiTranslator(GeminiOptions(schema_mode="openapi"))}

MAX_GROWTH = 1.4
"""A request that is ten times as large runs at most 14 times as many lines."""
FREE_LINES = 150_000
"""Lines that may run whatever the size: what small requests may spend on schemas and on state inside ids."""
MAX_LINES_PER_BYTE = 30
"""For requests that are refused: what they sent was too much, and was looked at until it was."""
MAX_SLOWNESS = 30
"""How many times the CPU time of an ordinary request of that size. The slowest shapes have 10; what is quadratic has hundreds."""


def serve(body: bytes, complaint: str = "", translators: Any = TRANSLATORS) -> bool:
    """Do what is done for a request before it goes upstream, and for a complaint that comes back. Say whether it was taken."""
    try:
        request = chat.parse(body)
        model = request["model"]
        translation = translators[model].request(Call(request, model, "0123456789abcdef01234567", 1, project="p"))
        codec.encode(translation.body)
    except InvalidRequest as error:
        assert error.message
        return False
    if complaint:
        document = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": complaint}}
        error = translation.error(400, {}, codec.encode(document))
        assert len(error.message) <= 2000
        translation.repair(error)
    return True


MODULES = [module for name, module in sys.modules.items() if name.startswith("chromagent.")]
CACHES = [value for module in MODULES for value in vars(module).values() if hasattr(value, "cache_clear")]


def forget() -> None:
    """Let nothing be known from earlier requests: it would make this one cheap."""
    for cache in CACHES:
        cache.cache_clear()


class Work(NamedTuple):
    taken: bool
    lines: int
    size: int


def count_lines(body: bytes, complaint: str = "", translators: Any = TRANSLATORS) -> Work:
    lines = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += 1
        return count

    forget()
    before = sys.gettrace()
    sys.settrace(count)
    try:
        taken = serve(body, complaint, translators)
    finally:
        sys.settrace(before)
    return Work(taken, lines, len(body) + len(complaint))


def cpu_seconds(body: bytes, complaint: str = "", translators: Any = TRANSLATORS) -> float:
    forget()
    gc.disable()  # it may or may not run, and takes longer than many requests
    try:
        start = time.process_time()
        serve(body, complaint, translators)
        return time.process_time() - start
    finally:
        gc.enable()


def encoded(request: Request, model: str) -> bytes:
    return json.dumps({"model": model, **request}).encode()


def ordinary(size: int) -> bytes:
    """A long conversation."""
    turns = [USER, {"role": "assistant", "content": "y"}]
    return encoded({"messages": [*turns * (size // 74), USER]}, GEMINI)


REFERENCES: dict[int, float] = {}


def reference(size: int) -> float:
    if size not in REFERENCES:
        REFERENCES[size] = sorted(cpu_seconds(ordinary(size)) for _ in range(5))[2]
    return REFERENCES[size]


def faults(
    label: str, make: Callable[[int], tuple[bytes, str]], sizes: tuple[int, int], timed: int, translators: Any
) -> Iterator[str]:
    small, large = (count_lines(*make(size), translators) for size in sizes)
    factor = large.size / small.size
    if large.taken and factor > 5 and large.lines > small.lines * factor * MAX_GROWTH:
        yield f"{label}: {small.size} bytes run {small.lines} lines, {large.size} bytes {large.lines}"
    if large.lines > FREE_LINES + MAX_LINES_PER_BYTE * large.size:
        yield f"{label}: {large.size} bytes run {large.lines} lines"
    body, complaint = make(timed)
    allowed = MAX_SLOWNESS * max(reference(timed), reference(timed) * (len(body) + len(complaint)) / timed)
    if all((taken := cpu_seconds(body, complaint, translators)) > allowed for _ in range(3)):
        yield f"{label}: {len(body) + len(complaint)} bytes take {taken:.2f} s, an ordinary request {reference(timed):.3f} s"


SIZES, TIMED = ((10_000, 100_000), 100_000) if SEED else ((2_000, 20_000), 40_000)


@pytest.mark.parametrize("model", [GEMINI, CLAUDE], ids=["gemini", "claude"])
@pytest.mark.parametrize("base", growing_requests.BASES)
def test_no_field_grows_into_more_work_than_its_size(base: str, model: str) -> None:
    found: list[str] = []
    for growth in growing_requests.growths(base):
        found += faults(growth.label, lambda size: (encoded(growth.make(size), model), ""), SIZES, TIMED, TRANSLATORS)  # noqa: B023 - called at once
    assert not found


@pytest.mark.parametrize("base", growing_requests.BASES)
def test_the_requests_that_grow_are_taken(base: str) -> None:
    taken = [serve(encoded(growing_requests.BASES[base], model)) for model in (GEMINI, CLAUDE)]
    assert any(taken) or base == "logit bias"


def properties(n: int, start: int = 0) -> Request:
    names = [f"p{i}" for i in range(start, start + n)]
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}


def chain(n: int) -> Request:
    links = {f"d{i}": {"type": "object", "properties": {"a": {"$ref": f"#/$defs/d{i + 1}"}}} for i in range(n)}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**links, f"d{n}": {"type": "string"}}}


def cycles(n: int) -> Request:
    both = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{(i + 1) % n}"}, {"$ref": "#/$defs/d0"}]} for i in range(n)}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": both}


def all_of(n: int, definition: Request, **more: Any) -> Request:
    """Merge one definition again and again."""
    merged = {"allOf": [*[{"$ref": "#/$defs/d"}] * n, {"type": "object", "properties": {"x": {"type": "string"}}}], **more}
    return {"type": "object", "properties": {"a": merged}, "$defs": {"d": definition}}


def merged_everywhere(n: int) -> Request:
    """Definitions whose properties merge other definitions, each of which is looked into anew."""
    inner = {f"p{i}": {"type": "object", "allOf": [{"$ref": "#/$defs/e"}] * 2} for i in range(n)}
    definitions = {"d": {"type": "object", "properties": inner}, "e": properties(1)}
    outer = {"allOf": [{"$ref": "#/$defs/d"}] * min(n, 400)}
    return {"type": "object", "properties": {"a": outer, "b": outer}, "$defs": definitions}


def nested_all_of(n: int) -> Request:
    inner: Request = {}
    for _ in range(60):
        inner = {"allOf": [*[{}] * (n // 10), inner]}
    return {**properties(n), **inner}


def doubling_names(n: int) -> list[Request]:
    """Tools whose names, as the client knows them, hold the next name twice, as it is sent."""
    names = ["last!"]
    for _ in range(min(n, 25)):
        sent = NameMap(names[-1:]).there(names[-1])
        names.append(f"{sent} {sent}")
    return [{"type": "function", "function": {"name": name}} for name in reversed(names)]


BOMB = base64.urlsafe_b64encode(zlib.compress(b"[" + b"1," * 520_000 + b"1]", 9)).decode().rstrip("=")
MARKED_TOOL: Request = {"type": "function", "cache_control": EPHEMERAL}
SHAPES: dict[str, Callable[[int], Request]] = {
    "an id of marks": lambda n: {"messages": [USER, asking(call(), id="a"), asking({**call(), "id": "a" + "__cg1_x_" * n + "!"})]},
    "an id of a result of marks": lambda n: {
        "messages": [USER, asking(call()), {**result(), "tool_call_id": "__cg1_x_" * n + "!"}]
    },
    "ids that decompress to a megabyte": lambda n: {
        "messages": [USER, asking(*[{**call(), "id": f"a{i}__cg1_claude_{BOMB}"} for i in range(n)])]
    },
    "names of calls that are cut to the same": lambda n: {
        "messages": [USER, asking(*[call(i, "n" * 64 + str(i)) for i in range(n)])]
    },
    "names of tools that are cut to the same": lambda n: {
        "messages": [USER],
        "tools": [{"type": "function", "function": {"name": "n" * 64 + str(i)}} for i in range(min(n, 500))],
    },
    "definitions that merge definitions": lambda n: with_schema(merged_everywhere(n)),
    "all of one large definition": lambda n: with_schema(all_of(n, properties(n))),
    "all of one long description": lambda n: with_schema(all_of(n, {"description": "d" * 20 * n})),
    "all of one long enum": lambda n: with_schema(all_of(n, {"enum": [f"e{i}" for i in range(n)]})),
    "a long pattern in each alternative": lambda n: with_schema(
        {
            "type": "object",
            "properties": {"a": {"pattern": "p" * 20 * n, "anyOf": [{"type": "string"}, {"type": "integer"}] * n}},
        }
    ),
    "alternatives with one large definition": lambda n: with_schema(
        {"type": "object", "anyOf": [{"$ref": "#/$defs/d"}] * n, "$defs": {"d": properties(n)}}
    ),
    "a root of all of one large definition": lambda n: with_schema(
        {
            "type": "object",
            "allOf": [{"$ref": "#/$defs/d"}] * n,
            "$defs": {"d": {**properties(n), "allOf": [{"$ref": "#/$defs/d"}] * n}},
        }
    ),
    "nested roots of many": lambda n: with_schema(nested_all_of(n)),
    "strict tools of all of many": lambda n: {
        "messages": [USER],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": f"f{i}",
                    "strict": True,
                    "parameters": {"type": "object", "properties": {"a": {"allOf": [properties(1, j) for j in range(40)]}}},
                },
            }
            for i in range(n)
        ],
    },
    "marks of tools": lambda n: {"messages": [USER], "tools": [{**MARKED_TOOL, "function": {"name": f"f{i}"}} for i in range(n)]},
    "marks of parts": lambda n: {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": EPHEMERAL}] * n}]
    },
    "marks of system parts": lambda n: {
        "messages": [{"role": "system", "content": [{"type": "text", "text": "x", "cache_control": EPHEMERAL}] * n}, USER]
    },
    "allowed tools": lambda n: {
        "messages": [USER],
        "tools": [{"type": "function", "function": {"name": f"f{i}"}} for i in range(n)],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": f"f{i}"}} for i in range(n)]},
        },
    },
    "calls of one message": lambda n: {"messages": [USER, asking(*map(call, range(n))), *map(result, range(n))]},
    "calls one after the other": lambda n: {"messages": [USER, *[m for i in range(n) for m in (asking(call(i)), result(i))]]},
    "calls, all results at the end": lambda n: {"messages": [USER, *[asking(call(i)) for i in range(n)], *map(result, range(n))]},
    "calls with one id": lambda n: {"messages": [USER, *[asking(call(0)), result(0)] * n]},
    "functions of the deprecated form": lambda n: {
        "messages": [
            USER,
            *[{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}] * n,
            *[{"role": "function", "name": "f", "content": "x"}] * n,
        ]
    },
    "signatures in details": lambda n: {
        "messages": [
            USER,
            asking(
                *map(call, range(n)),
                reasoning_details=[{"type": "reasoning.encrypted", "id": f"a{i}", "data": "U0lH"} for i in range(n)],
            ),
            *map(result, range(n)),
        ]
    },
    "system messages between": lambda n: {"messages": [{"role": "system", "content": "s"}, USER] * n},
    "unknown fields": lambda n: {"messages": [USER], **{f"k{i}": 1 for i in range(n)}},
    "two enums": lambda n: with_schema(
        {"type": "object", "properties": {"a": {"allOf": [{"enum": [f"{side}{i}" for i in range(n)]} for side in ("e", "f")]}}}
    ),
    "alternatives": lambda n: with_schema({"type": "object", "anyOf": [properties(1, i) for i in range(n)]}),
    "alternatives beside properties": lambda n: with_schema({**properties(n), "anyOf": [properties(1, i) for i in range(n)]}),
    "all of many": lambda n: with_schema({"type": "object", "properties": {"a": {"allOf": [properties(1, i) for i in range(n)]}}}),
    "definitions in a chain": lambda n: with_schema(chain(n)),
    "definitions in cycles": lambda n: with_schema(cycles(n)),
    "pointers that end alike": lambda n: with_schema(
        {
            "type": "object",
            "properties": {f"p{i}": {"$ref": f"#/$defs/d{i}/properties/a"} for i in range(n)},
            "$defs": {f"d{i}": {"type": "object", "properties": {"a": {"type": "string"}}} for i in range(n)},
        }
    ),
    "anchors": lambda n: with_schema(
        {
            "type": "object",
            "properties": {f"p{i}": {"$ref": f"#a{i}"} for i in range(n)},
            "$defs": {f"d{i}": {"$anchor": f"a{i}", "type": "string"} for i in range(n)},
        }
    ),
    "a format with definitions in a chain": lambda n: with_format(chain(n)),
    "a format with all of many": lambda n: with_format(
        {"type": "object", "properties": {"a": {"allOf": [properties(1, i) for i in range(n)]}}}
    ),
}
"""Requests that grow at several places at once, each by a number."""


def sized(shape: Callable[[int], Request], model: str, size: int) -> bytes:
    """Find the number that gives about so many bytes."""
    number = 16
    for _ in range(3):
        number = max(1, number * size // len(encoded(shape(number), model)))
    return encoded(shape(number), model)


LARGER, LARGER_TIMED = ((10_000, 100_000), 1_000_000) if SEED else ((5_000, 50_000), 100_000)


@pytest.mark.parametrize("model", [GEMINI, CLAUDE], ids=["gemini", "claude"])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_grows_into_more_work_than_its_size(shape: str, model: str) -> None:
    assert not [*faults(shape, lambda size: (sized(SHAPES[shape], model, size), ""), LARGER, LARGER_TIMED, TRANSLATORS)]


@pytest.mark.parametrize("shape", [name for name in SHAPES if "def" in name or "altern" in name or "all of" in name])
def test_no_schema_grows_into_more_work_in_the_form_of_old_endpoints(shape: str) -> None:
    assert not [*faults(shape, lambda size: (sized(SHAPES[shape], GEMINI, size), ""), LARGER, LARGER_TIMED, OPENAPI)]


COMPLAINTS = (
    *(
        "thought signature ",
        "thoughtsignature missing",
        "thinking level ",
        "thinking ",
        "not supported thinking level",
        "function call ",
    ),
    *(
        "unknown name id ",
        "image ",
        "max_tokens ",
        "expected `",
        "project ",
        "projects/",
        "a@",
        "eyJ-",
        "https://a",
        "<",
        "contents[1]",
    ),
    *("generation_config.A", "last_", '{"type":', "role system "),
)


@pytest.mark.parametrize("model", [GEMINI, CLAUDE], ids=["gemini", "claude"])
@pytest.mark.parametrize("text", COMPLAINTS)
def test_no_complaint_that_repeats_what_was_sent_grows_into_more_work(text: str, model: str) -> None:
    body = encoded({"messages": [USER], "tools": doubling_names(100)}, model)
    assert not [*faults(text, lambda size: (body, text * (size // len(text))), (2_000, 20_000), 80_000, TRANSLATORS)]


def test_names_in_a_complaint_do_not_multiply() -> None:
    tools = doubling_names(18)
    body = encoded({"messages": [USER], "tools": tools}, CLAUDE)
    complaint = NameMap([tools[0]["function"]["name"]]).there(tools[0]["function"]["name"])
    assert not [*faults("names", lambda size: (body, complaint), (1, 2), 2_000, TRANSLATORS)]


@pytest.mark.parametrize("model", [GEMINI, CLAUDE], ids=["gemini", "claude"])
@pytest.mark.parametrize(
    "shape", ["allowed tools", "marks of tools", "functions of the deprecated form", "calls one after the other"]
)
def test_a_megabyte_takes_about_ten_times_as_long_as_a_tenth_of_it(shape: str, model: str) -> None:
    small, large = (sized(SHAPES[shape], model, size) for size in (100_000, 1_000_000))
    assert any(cpu_seconds(large) < 25 * min(cpu_seconds(small) for _ in range(5)) for _ in range(3))


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [1] * 500_000},
        {"messages": [[]] * 60_000},
        {"messages": [USER], "logit_bias": {f"k{i}": "x" for i in range(15_000)}},
        {"messages": [USER], "stop": [1] * 100_000},
        {"messages": [USER], "tools": [1] * 100_000},
    ],
    ids=[
        "messages that are numbers",
        "messages that are arrays",
        "biases that are texts",
        "stops that are numbers",
        "tools that are numbers",
    ],
)
def test_a_request_of_nothing_but_faults_takes_a_small_multiple_of_its_size(fields: Request) -> None:
    body = codec.encode({"model": GEMINI, **fields})
    tracemalloc.start()
    try:
        assert not serve(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(body)
    assert cpu_seconds(body) < MAX_SLOWNESS * reference(len(body))
