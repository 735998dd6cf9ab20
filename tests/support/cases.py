"""The cases under `tests/cases`: one document each, what a client asks, what the upstream answers, what must come of it.

Expectations are partial: an object must have the members that are named, lists and scalars must be equal. `"<any>"` stands for
anything, `"<absent>"` for a member that must not be there, `"<re:…>"` for a text that matches as a whole. Chunks are written short:
`{"i": choice, "d": delta, "f": finish reason}`, `"R"` for the role's chunk of choice 0, `"R1"` for that of choice 1.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from chromagent import config
from chromagent.config import Settings
from tests.support import apps, chunk_grammar
from tests.support.processes import ROOT
from tests.support.scripted_upstream import Scripted, ScriptedUpstream

FOLDER = ROOT / "tests" / "cases"
_ROLE = {"role": "assistant", "content": "", "refusal": None}


@dataclass(frozen=True)
class Case:
    """One case. Unknown members of its document are an error: a misspelt expectation must not pass."""

    title: str
    provider: str
    request: dict[str, Any] = field(default_factory=dict[str, Any])
    request_headers: dict[str, str] = field(default_factory=dict[str, str])
    location: str = "global"
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    backend: dict[str, Any] = field(default_factory=dict[str, Any])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    retries: int = 0
    backends: tuple[str, ...] = ("vertex-gemini", "vertex-anthropic")
    answers: tuple[dict[str, Any], ...] = ()
    sent: tuple[Any, ...] | None = None
    status: int = 200
    headers: dict[str, Any] = field(default_factory=dict[str, Any])
    error: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    chunks: tuple[Any, ...] | None = None


def load(provider: str) -> list[Any]:
    """Return the cases of one wire format as test parameters."""
    paths = sorted((FOLDER / provider).glob("*.json"))
    return [pytest.param(read(path), id=path.stem) for path in paths]


def read(path: Path) -> Case:
    """Read one case."""
    document = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(path.read_text()).items()}
    case = Case(provider=path.parent.name, **document)
    expectations = (case.sent, case.error, case.response, case.chunks, case.headers or None)
    assert any(expectation is not None for expectation in expectations), "a case expects something"
    return case


def faults(expected: Any, actual: Any, path: str = "") -> Iterator[str]:
    """Tell where something differs from what is expected."""
    if expected == "<any>":
        return
    if isinstance(expected, str) and expected.startswith("<re:"):
        if not isinstance(actual, str) or not re.fullmatch(expected[4:-1], actual, re.DOTALL):
            yield f"{path}: {actual!r} does not match {expected}"
    elif isinstance(expected, dict):
        yield from _object_faults(expected, actual, path)
    elif isinstance(expected, list | tuple):
        yield from _list_faults(expected, actual, path)
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        yield f"{path}: {actual!r} is not {expected!r}"


def _object_faults(expected: dict[str, Any], actual: Any, path: str) -> Iterator[str]:
    if not isinstance(actual, dict):
        yield f"{path}: {actual!r} is no object"
        return
    for name, value in expected.items():
        if value == "<absent>":
            if name in actual:
                yield f"{path}.{name}: must be absent, is {actual[name]!r}"
        elif name not in actual:
            yield f"{path}.{name}: is missing in {json.dumps(actual)[:400]}"
        else:
            yield from faults(value, actual[name], f"{path}.{name}")


def _list_faults(expected: Sequence[Any], actual: Any, path: str) -> Iterator[str]:
    if not isinstance(actual, list) or len(actual) != len(expected):
        yield f"{path}: {json.dumps(actual)[:800]} has not {len(expected)} members"
        return
    for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
        yield from faults(one, other, f"{path}[{index}]")


async def run(
    case: Case, model: str, default: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, size: int | None = None
) -> list[str]:
    """Run a case through the application; return every difference. `size` cuts streams into reads of so many bytes."""
    as_stream = bool(case.request.get("stream"))
    upstream = ScriptedUpstream(*[_answer(answer, size) for answer in case.answers or (default,)])
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **case.request}
    reply = await apps.post(upstream, body, _settings(case, monkeypatch), **case.request_headers)
    found: list[str] = []
    if reply.status_code != case.status:
        found.append(f"status: {reply.status_code} is not {case.status}: {reply.text[:600]}")
    if case.sent is not None:
        sent: list[Any] = [{"url": one.url, "headers": dict(one.headers), "body": one.body} for one in upstream.sent]
        found += faults(case.sent, sent, "sent")
    found += faults(case.headers, dict(reply.headers), "headers")
    if case.error is not None:
        found += faults(case.error, _json(reply).get("error"), "error")
    if case.response is not None:
        found += faults(case.response, _json(reply), "response")
    if as_stream and reply.headers.get("content-type", "").startswith("text/event-stream"):
        found += _check_stream(case, reply.text)
    elif case.chunks is not None:
        found.append(f"no stream came: {reply.text[:600]}")
    return found


def streamed(case: Case) -> Case:
    """The same case, asked for as a stream."""
    return replace(case, request={**case.request, "stream": True})


def _check_stream(case: Case, text: str) -> Iterator[str]:
    events = apps.events(text)
    usage = bool((case.request.get("stream_options") or {}).get("include_usage"))
    chunk_grammar.check(events, include_usage=usage, n=case.request.get("n") or 1)
    if case.chunks is not None:
        yield from faults(list(case.chunks), [_short(event) for event in events], "chunks")


def _short(event: Any) -> Any:
    if event == "[DONE]" or "error" in event:
        return event
    if not event["choices"]:
        return {"usage": event["usage"]}
    choice = event["choices"][0]
    if choice["delta"] == _ROLE and choice["finish_reason"] is None:
        return f"R{choice['index'] or ''}"
    short = {"i": choice["index"], "d": choice["delta"]}
    if choice["logprobs"] is not None:
        short["l"] = choice["logprobs"]
    return short if choice["finish_reason"] is None else {**short, "f": choice["finish_reason"]}


def _json(reply: httpx.Response) -> Any:
    return reply.json() if reply.headers.get("content-type", "").startswith("application/json") else {}


def _answer(answer: dict[str, Any], size: int | None) -> Scripted:
    headers = {"content-type": "application/json", **answer.get("headers", {})}
    status = answer.get("status", 200)
    if "events" not in answer:
        return Scripted(status, [json.dumps(answer["json"], ensure_ascii=False).encode()], headers)
    reads = [_frame(event).encode() for event in answer["events"]]
    if size is not None:
        whole = b"".join(reads)
        reads = [whole[start : start + size] for start in range(0, len(whole), size)]
    return Scripted(status, reads, headers | {"content-type": "text/event-stream"})


def _frame(event: Any) -> str:
    if isinstance(event, str):
        return event
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n"


def _settings(case: Case, monkeypatch: pytest.MonkeyPatch) -> Settings:
    chosen: dict[str, Any] = {"locations": [case.location], "options": case.options, "max_retries": case.retries}
    if case.options.get("surface") in ("express", "developer"):
        monkeypatch.setenv("TEST_API_KEY", "K")
        chosen |= {"auth": "api_key", "api_key": "env:TEST_API_KEY"}
    backends = {name: {**apps.BACKEND, "enabled": name in case.backends} for name in ("vertex-gemini", "vertex-anthropic")}
    backends[f"vertex-{case.provider}"] |= chosen | case.backend
    default_backend = case.backends[0]
    return config.read(
        {
            "allow_anonymous": True,
            "gcs_buckets": ("b",),
            "backends": backends,
            "default_backend": default_backend,
            **case.settings,
        }
    )
