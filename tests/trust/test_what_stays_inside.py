"""What no caller may learn or reach: the owner's project and identity in messages, other callers' models by another spelling."""

import json
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromagent.local import keys
from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, chat, client, post, settings
from tests.support.fuzzing import fuzzed
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, json_answer, sse_answer

pytestmark = pytest.mark.anyio

PROJECT = "acme-secret-4711"
TALKATIVE = (
    f"Quota of projects/{PROJECT}/locations/global/ for consumer 'project_number:123456789012' (project id other-4712) is gone for "
    f"robot@{PROJECT}.iam.gserviceaccount.com with ya29.a0AfH6SMB and AIzaSyA1234567890abcdefghijklmnopqrstu "
    f"at https://aiplatform.googleapis.com/v1/projects/{PROJECT}/x"
)
SECRETS = (PROJECT, "123456789012", "other-4712", "gserviceaccount", "ya29", "AIza", "aiplatform.googleapis.com")


def errors_of(model: str, stream: bool) -> list[Scripted]:
    vendor: Any = answers.google_error if model == GEMINI else answers.anthropic_error
    named = [vendor(status, "X", TALKATIVE) for status in (400, 401, 403, 404, 409, 413, 429, 500, 503, 529)]
    proxy = [Scripted(502, [f"<html>{TALKATIVE}</html>".encode()]), Scripted(418, [TALKATIVE.encode()])]
    inside = {"error": {"code": 500, "message": TALKATIVE, "status": "INTERNAL"}}
    return [*named, *proxy, sse_answer(inside) if stream else json_answer(inside)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_no_message_names_the_project_the_identity_or_the_upstream(model: str, stream: bool) -> None:
    configured = settings({"project": PROJECT, "max_retries": 0}, {"project": PROJECT, "max_retries": 0})
    for scripted in errors_of(model, stream):
        answer = await post(ScriptedUpstream(scripted), chat(model, stream=stream), configured)
        assert answer.status_code >= 400
        told = answer.text + str(answer.headers)
        assert [secret for secret in SECRETS if secret in told] == [], answer.text


@pytest.mark.parametrize(
    "message",
    [
        "Publisher Model `x` was not found or your project does not have access to it.",
        "Enable billing for this project. Learn more: https://cloud.google.com/vertex-ai/docs/quotas",
    ],
)
async def test_what_names_nothing_is_told_as_it_is(message: str) -> None:
    answer = await post(ScriptedUpstream(answers.google_error(404, "NOT_FOUND", message)), chat())
    assert answer.json()["error"]["message"] == message


SPELLINGS = [
    CLAUDE,
    "gemini-3.8-pro",
    f"vertex-gemini/{GEMINI}",
    f"google/{CLAUDE}",
    f"anthropic/{CLAUDE}",
    GEMINI.upper(),
    f"{GEMINI}/",
    f"{GEMINI}@default",
    f"{GEMINI}\n{CLAUDE}",
    f"{GEMINI}*",
    "*",
    "[g]emini-3.8-flash",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_key_for_one_model_reaches_no_other_by_any_spelling(spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key, record = keys.issue("narrow")
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [{**record, "models": [GEMINI]}]}))
    upstream = ScriptedUpstream(answers.gemini())
    configured = settings(allow_anonymous=False, client_keys="env:TEST_KEYS")
    answer = await post(upstream, chat(spelling), configured, authorization=f"Bearer {key}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert upstream.sent == []


# --- canaries, wherever an upstream may put them -------------------------------------------------------------------------------

HOST = "proxy.acme-inner.example"
HEADER = "c4n4ry-header-value"
CANARIES = {
    "a key of the new kind": "AQ.Ab8RN6KcanaryCANARYcanary_0123456789-canary",
    "a key": "AIzaSyCanary1234567890abcdefghijklmnopqrs",
    "a token": "ya29.c.b0Canary_4711-canaryCANARYcanary",
    "a JSON web token": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJjYW5hcnkifQ.c2lnbmF0dXJlY2FuYXJ5",
    "a refresh token": "1//0gCanaryCanaryCanaryCanary",
    "a client key": "sk-cg-CanaryCanaryCanaryCanaryCanary",
    "the value of an additional header": HEADER,
    "the project": PROJECT,
    "a project's number": "918273645546",
    "another project": "projects/canary-4713",
    "a service account": "canary-robot@canary-4714.iam.gserviceaccount.com",
    "the configured host": HOST,
    "the configured host, in capitals": HOST.upper(),
    "the upstream's address": "https://europe-west4-aiplatform.googleapis.com/v1/canary",
    "the metadata server": "http://metadata.google.internal/computeMetadata/v1/canary",
    "the metadata server's address": "169.254.169.254",
    "an internal name": "canary-7f9.c.acme.internal",
    "a name in a cluster": "canary.default.svc.cluster.local:8080",
    "a private address": "10.128.0.77",
    "a private address and port": "192.168.7.77:8443",
    "a shared address": "100.64.7.77",
    "a private IPv6 address": "fd20:4711:77::7",
    "a link-local address": "fe80::4711:77%eth0",
    "an address in brackets": "https://[fd20:4711:77::8]:8443/canary",
    "a mapped address": "::ffff:10.128.0.78",
    "a bucket": "gs://canary-bucket/canary/object.bin",
}
PRECEDING = ("", " ", "'", '"', "`", "(", "<b>", "at ", "host=", "https://", "for consumer: ", "\n", "…")
FOLLOWING = ("", " ", "'", '"', "`", ")", "</b>", ".", ",", ";", ":", "\n", "…", "?")
FILLING = ("the request failed", "Invalid value at", "contents[3].parts[0]", "quota exceeded, try again", "é" * 7, "x" * 40)


@st.composite
def talk(draw: st.DrawFn) -> str:
    """Words of an upstream with canaries at any place, also where a message is cut."""
    pieces = [draw(st.sampled_from(FILLING)) + " " for _ in range(draw(st.sampled_from((1, 2, 5, 12, 15, 30, 55, 60, 65))))]
    for canary in draw(st.lists(st.sampled_from(sorted(CANARIES.values())), min_size=1, max_size=6)):
        wrapped = f" {draw(st.sampled_from(PRECEDING))}{canary}{draw(st.sampled_from(FOLLOWING))} "
        pieces.insert(draw(st.integers(0, len(pieces))), wrapped)
    return "".join(pieces)


def ways_to_say(model: str, text: str) -> list[Scripted]:
    """Every way in which a text of the upstream's own becomes part of what a client gets."""
    vendor: Any = answers.google_error if model == GEMINI else answers.anthropic_error
    error = {"error": {"code": 500, "message": text, "status": "INTERNAL"}}
    found = [
        vendor(status, "INTERNAL", text, **{"request-id": text[:200].encode("ascii", "ignore").decode().replace("\n", "")})
        for status in (400, 404, 429, 500, 418)
    ]
    found += [Scripted(502, [f"<html>{text}</html>".encode()]), json_answer(error), json_answer([error], 503)]
    if model == GEMINI:
        document = answers.gemini_document("")
        blocked = {"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": text}}
        stopped = {"candidates": [{"finishReason": "SAFETY", "finishMessage": text}]}
        failed = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": text}]}
        renamed = {**answers.gemini_document(), "modelVersion": text}
        return [
            *found,
            *(make(one) for one in (blocked, stopped, failed, renamed) for make in (json_answer, sse_answer)),
            sse_answer(document, error),
        ]
    details = {"type": "refusal", "category": text, "explanation": text}
    refused = answers.claude_message("", stop_reason="refusal", stop_details=details, content=[])
    events = answers.claude_events("")
    events[-2] = {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}, "usage": {}}
    inside = {"type": "error", "error": {"type": "api_error", "message": text, "details": {"error_code": text}}}
    renamed = answers.claude_message(model=text)
    return [
        *found,
        json_answer(refused),
        json_answer(renamed),
        sse_answer(*events),
        sse_answer(*events[:3], inside),
        sse_answer(inside),
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
@fuzzed(25)
@given(text=talk())
def test_no_canary_leaves_in_anything_that_an_upstream_says(model: str, stream: bool, text: str) -> None:
    backend = {"project": PROJECT, "max_retries": 0, "base_url": f"https://{HOST}/vertex", "additional_headers": {"x-team": HEADER}}
    configured = settings(backend, backend, log={"level": "error"})
    answered = 0
    for scripted in ways_to_say(model, text):
        answer = anyio.run(partial(post, ScriptedUpstream(scripted), chat(model, stream=stream), configured))
        told = f"{answer.text}\n{answer.headers}".replace("\\n", "\n").replace('\\"', '"')
        answered += 1
        for kind, canary in CANARIES.items():
            assert canary.lower() not in told.lower(), (kind, scripted)
            assert canary[: len(canary) * 3 // 4].lower() not in told.lower(), (kind, scripted)
    assert answered > 10


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_a_bucket_that_the_client_named_itself_comes_back_to_it_and_no_other_does(model: str) -> None:
    message = "Cannot fetch 'gs://mine/cat.png' nor gs://mine/cat.png.bak nor gs://theirs/dog.png."
    vendor: Any = answers.google_error if model == GEMINI else answers.anthropic_error
    body = chat(model, "What is in gs://mine/cat.png?")
    answer = await post(ScriptedUpstream(vendor(400, "INVALID_ARGUMENT", message)), body)
    assert answer.json()["error"]["message"] == "Cannot fetch 'gs://mine/cat.png' nor [object] nor [object]"


async def test_deep_health_tells_no_canary_either() -> None:
    backend = {"project": PROJECT, "base_url": f"https://{HOST}"}
    upstream = ScriptedUpstream(answers.google_error(404, "NOT_FOUND", " ".join(CANARIES.values())))
    async with client(upstream, settings(backend, backend)) as http:
        answer = await http.get("/health?deep=1")
    assert [kind for kind, canary in CANARIES.items() if canary in answer.text and canary != HEADER] == []
