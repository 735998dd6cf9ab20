"""Random requests and random upstreams through the whole application: the answer always has one of the shapes that clients know."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromagent import codec
from chromagent.app import create_app
from tests.support import answers, chunk_grammar
from tests.support.apps import CLAUDE, GEMINI, chat, events, settings
from tests.support.fuzzing import Tally, fuzzed
from tests.support.scripted_upstream import Scripted, ScriptedUpstream
from tests.unit.translators.test_senseless_requests import RICH, shaken

OPENAI_STATUSES = {200, 400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504}

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=12), inner, max_size=3)),
    max_leaves=12,
)


class Application:
    """One application for a whole test, over an upstream that is told anew each time."""

    def __init__(self) -> None:
        self.upstream = ScriptedUpstream(answers.gemini())
        app: Any = create_app(settings({"max_retries": 0}, {"max_retries": 0}, strict=False), transport=self.upstream)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test")
        self._runner = asyncio.Runner()

    def post(self, body: bytes, answer: Scripted) -> httpx.Response:
        self.upstream.answers = [answer]
        self.upstream.sent.clear()
        request = self._http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
        return self._runner.run(asyncio.wait_for(request, 10))

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.close()


def check(answer: httpx.Response, *, include_usage: bool = False, n: int = 1) -> str:
    """Raise AssertionError where an answer has none of the shapes; else say what it was."""
    assert answer.status_code in OPENAI_STATUSES
    if answer.status_code != 200:
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"] != "internal_error"
        assert isinstance(error["message"], str)
        assert error["message"]
        return f"{answer.status_code} {error['code']}"
    if answer.headers["content-type"].startswith("text/event-stream"):
        chunks = events(answer.text)
        chunk_grammar.check(chunks, include_usage=include_usage, n=n)
        return "200" if chunks[-1] == "[DONE]" else f"200, then {chunks[-1]['error']['code']}"
    completion = answer.json()
    assert completion["object"] == "chat.completion"
    assert all(choice["message"]["role"] == "assistant" and choice["finish_reason"] for choice in completion["choices"])
    return "200"


def good_answer(model: str, *, stream: bool) -> Scripted:
    if model.startswith("claude"):
        return answers.claude_stream("Hel", "lo") if stream else answers.claude()
    return answers.gemini_stream("Hel", "lo") if stream else answers.gemini()


@given(document=JSON)
@fuzzed(150)
def test_any_json_at_all(application: Application, tally: Tally, document: Any) -> None:
    answer = application.post(codec.encode(document), answers.gemini())
    tally.note(check(answer))
    assert answer.status_code == 400


@given(body=st.binary(max_size=200))
@fuzzed(100)
def test_any_bytes_at_all(application: Application, tally: Tally, body: bytes) -> None:
    answer = application.post(body, answers.gemini())
    tally.note(check(answer))
    assert answer.status_code == 400


MODELS = [GEMINI, "gemini-2.5-flash", "gemini-unheard-of", CLAUDE, "claude-opus-5-5", "claude-haiku-4-5", "claude-unheard-of"]


@given(data=st.data())
@fuzzed(250)
def test_a_request_with_something_wrong_in_it(application: Application, tally: Tally, data: st.DataObject) -> None:
    """Any fields of a rich request, some of them replaced by junk, towards an upstream that answers well."""
    names = data.draw(st.sets(st.sampled_from(sorted(set(RICH) - {"messages"})), max_size=6))
    request = {name: RICH[name] for name in ("messages", *sorted(names))}
    for _ in range(data.draw(st.integers(0, 2))):
        request = shaken(request, data.draw)
    model = data.draw(st.sampled_from(MODELS))
    request = {"model": model, **request} if isinstance(request, dict) else request
    streamed = isinstance(request, dict) and request.get("stream") is True
    answer = application.post(codec.encode(request), good_answer(model, stream=streamed))
    options = request.get("stream_options") if isinstance(request, dict) else None
    include_usage = isinstance(options, dict) and bool(options.get("include_usage"))
    tally.note(check(answer, include_usage=include_usage))
    assert answer.status_code in (200, 400, 404)


def mangled(body: bytes, draw: Any) -> bytes:
    """The same with a slice left out, doubled or replaced by junk."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 40)))
        piece = draw(st.one_of(st.just(b""), st.just(body[start:end] * 2), st.binary(max_size=12), JSON.map(codec.encode)))
        body = body[:start] + piece + body[end:]
    return body


def cut(body: bytes, draw: Any) -> list[bytes]:
    """The same in reads cut anywhere."""
    places = sorted(draw(st.lists(st.integers(0, len(body)), max_size=5)))
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


def upstream_body(model: str, draw: Any, *, stream: bool) -> bytes:
    good = b"".join(read for read in good_answer(model, stream=stream).reads if isinstance(read, bytes))
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return draw(st.binary(max_size=300))
    if kind == 1:
        document = draw(JSON)
        return b"data: %b\n\n" % codec.encode(document) if stream else codec.encode(document)
    if kind == 2:
        return b"".join(b"data: %b\n\n" % codec.encode(shaken(event, draw)) for event in documents(model, stream=stream))
    if kind == 3 and not stream:
        return codec.encode(shaken(documents(model, stream=False)[0], draw))
    return mangled(good, draw)


def documents(model: str, *, stream: bool) -> list[Any]:
    if model.startswith("claude"):
        return answers.claude_events("Hel", "lo") if stream else [answers.claude_message()]
    return [answers.gemini_document("Hel", None), answers.gemini_document("lo")] if stream else [answers.gemini_document()]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
@given(data=st.data())
@fuzzed(200)
def test_any_bytes_of_an_upstream(application: Application, tally: Tally, model: str, stream: bool, data: st.DataObject) -> None:
    body = upstream_body(model, data.draw, stream=stream)
    status = data.draw(st.sampled_from([200, 200, 200, 200, 204, 302, 400, 404, 429, 500, 503, 529, 599]))
    reads = cut(body, data.draw) if stream else [body]
    answer = application.post(codec.encode(chat(model, stream=stream)), Scripted(status, reads))
    tally.note(check(answer).partition(",")[0].partition(" ")[0])
