"""What no caller may learn or reach: the owner's project and identity in messages, other callers' models by another spelling."""

import json
from typing import Any

import pytest

from chromagent.local import keys
from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, chat, post, settings
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
