"""Each thing that an upstream may do wrong, over real sockets, one after the other through one gateway.

What the client gets, that the next request is served, and that nothing is left.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chromagent import sse
from chromagent.upstream import retry
from tests.support import faulty_upstream, threaded_gateway
from tests.support.apps import BACKEND, CLAUDE, GEMINI, chat, events, settings
from tests.support.faulty_upstream import FaultyUpstream
from tests.support.processes import free_port
from tests.support.threaded_gateway import ThreadedGateway
from tests.trust.fault_table import CASES, CODES, FAULTS, LARGEST_EVENT, REFUSED, REFUSED_OUTCOME, TRANSPORT, WELL, Fault

pytestmark = pytest.mark.anyio

TIMEOUT = 0.6
MODELS = {"gemini": GEMINI, "claude": CLAUDE}
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    with faulty_upstream.serving({name: fault.script for name, fault in FAULTS.items()}) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(upstream: FaultyUpstream) -> Iterator[ThreadedGateway]:
    """A request may take half a second or so, waits between tries are short, and an event may have a megabyte."""
    here = {**BACKEND, "base_url": upstream.url}
    nowhere = {**BACKEND, "base_url": f"http://127.0.0.1:{free_port()}"}
    backends: dict[str, Any] = {
        "vertex-gemini": here,
        "vertex-anthropic": here,
        "refusing-gemini": {**nowhere, "provider": "vertex-gemini"},
        "refusing-claude": {**nowhere, "provider": "vertex-anthropic"},
        "hasty-gemini": {**here, "provider": "vertex-gemini", "timeout": TIMEOUT / 3},
        "hasty-claude": {**here, "provider": "vertex-anthropic", "timeout": TIMEOUT / 3},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry, "BASE", 0.01)
        patch.setattr(sse, "LARGEST_EVENT", LARGEST_EVENT)
        with threaded_gateway.serving(settings(backends=backends, timeout=TIMEOUT)) as server:
            yield server


@pytest.fixture
async def http(gateway: ThreadedGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=10) as client:
        yield client


async def ask(http: httpx.AsyncClient, upstream: FaultyUpstream, case: str, fault: str, backend: str = "") -> str:
    """One request, told in the words of the table. Whoever gets another's answer is told "WRONG"."""
    wire, _, mode = case.partition(" ")
    number = f"c{next(numbers)}"
    body = chat(backend + MODELS[wire], f"fault: {fault}; case {number}", stream=bool(mode))
    answer = await http.post("/v1/chat/completions", json=body)
    outcome = _streamed(answer) if mode and answer.status_code == 200 else _whole(answer)
    if f"Hello-{number}" in outcome:
        outcome = "200"
    tries = upstream.attempts[number]
    wait = f"; retry after {int(answer.headers['retry-after-ms']) / 1000:g} s" if "retry-after-ms" in answer.headers else ""
    return f"{outcome}; {tries} {'try' if tries == 1 else 'tries'}{wait}"


def _whole(answer: httpx.Response) -> str:
    if answer.status_code == 200:
        return f"WRONG: {answer.json()['choices'][0]['message']['content']}"
    return f"{answer.status_code} {_error(answer.json(), answer.headers.get('x-should-retry'))}"


def _streamed(answer: httpx.Response) -> str:
    found = events(answer.text)
    if found[-1] != "[DONE]":
        assert "[DONE]" not in found
        return f"200, then {_error(found[-1], None)}"
    return "WRONG: " + "".join(event["choices"][0]["delta"].get("content", "") for event in found[:-1])


def _error(document: Any, should_retry: str | None) -> str:
    """The code; type, param and what the client is told about trying again are those of the code."""
    assert list(document) == ["error"]
    error = document["error"]
    code = error["code"] or "null"
    assert (error["type"], error["param"]) == CODES[code]
    if should_retry is not None:
        assert (code, should_retry) in {("upstream_authentication_error", "false"), ("insufficient_quota", "false")}
    return code


async def left_by(upstream: FaultyUpstream) -> set[str]:
    """Cases whose connection the gateway still holds, a moment later."""
    for _ in range(100):
        if not upstream.busy:
            return set()
        await asyncio.sleep(0.01)
    return set(upstream.busy)


async def run(
    http: httpx.AsyncClient, upstream: FaultyUpstream, case: str, faults: dict[str, Fault]
) -> tuple[dict[str, str], dict[str, str]]:
    """Every fault, and after each a request that should go well: the outcomes of both."""
    outcomes: dict[str, str] = {}
    next_ones: dict[str, str] = {}
    for name in faults:
        outcomes[name] = await ask(http, upstream, case, name)
        assert await left_by(upstream) == set(), f"after '{name}'"
        next_ones[name] = await ask(http, upstream, case, "")
    return outcomes, next_ones


def descriptors() -> int:
    """Open files of this process, in which client, gateway and upstream all are."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("part", ["transport", "answers"])
async def test_every_fault_has_its_outcome_and_leaves_nothing(
    case: str, part: str, gateway: ThreadedGateway, upstream: FaultyUpstream, http: httpx.AsyncClient
) -> None:
    faults = {name: fault for name, fault in FAULTS.items() if (name in TRANSPORT) == (part == "transport")}
    await ask(http, upstream, case, "")
    tasks, files = gateway.tasks(), descriptors()

    outcomes, next_ones = await run(http, upstream, case, faults)

    assert outcomes == {name: fault.outcomes[case] for name, fault in faults.items()}
    assert next_ones == dict.fromkeys(faults, WELL)
    assert "/elsewhere" not in upstream.paths
    assert gateway.exchanges() == 0
    assert gateway.tasks() <= tasks
    assert upstream.open <= 2
    assert descriptors() <= files + 2


@pytest.mark.parametrize("case", CASES)
async def test_a_place_that_refuses_connections(
    case: str, gateway: ThreadedGateway, upstream: FaultyUpstream, http: httpx.AsyncClient
) -> None:
    wire = case.partition(" ")[0]
    assert await ask(http, upstream, case, REFUSED, f"refusing-{wire}/") == REFUSED_OUTCOME


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "fault", ["drips without an end", "falls silent late", "hangs before the status line", "hangs after the first part"]
)
async def test_a_backends_own_time_is_the_whole_requests(
    case: str, fault: str, gateway: ThreadedGateway, upstream: FaultyUpstream, http: httpx.AsyncClient
) -> None:
    start = asyncio.get_running_loop().time()
    wire = case.partition(" ")[0]
    assert await ask(http, upstream, case, fault, f"hasty-{wire}/") == FAULTS[fault].outcomes[case]
    assert asyncio.get_running_loop().time() - start < TIMEOUT * 0.9
    assert await left_by(upstream) == set()
