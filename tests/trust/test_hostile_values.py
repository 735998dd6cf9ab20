"""Values that clients and upstreams may send to do harm elsewhere: in headers, in the log, in a URL."""

import json
from urllib.parse import quote

import pytest

from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, chat, client, post
from tests.support.scripted_upstream import ScriptedUpstream, json_answer

pytestmark = pytest.mark.anyio

ODD_NAMES = ["gemini-3\r\nset-cookie: x", "\0gemini", "gemini-\ud800", "gemini-模型", "gemini-\x7f", "gemini-\u2028x"]


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_what_a_model_is_called_never_breaks_a_header(name: str) -> None:
    answer = await post(ScriptedUpstream(answers.gemini()), chat(name))
    assert answer.status_code in (200, 400)
    assert all(value.isascii() and value.isprintable() for value in answer.headers.values())


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_what_an_upstream_calls_its_model_and_its_request_never_breaks_a_header(model: str) -> None:
    named = {
        "gemini-3.8-flash": answers.gemini_document() | {"modelVersion": "g\r\nx: y模"},
        CLAUDE: answers.claude_message(model="c\r\nx: y模"),
    }
    answer = await post(ScriptedUpstream(json_answer(named[model], **{"request-id": "r" * 5000})), chat(model))
    assert answer.status_code == 200
    assert all(value.isascii() and value.isprintable() and len(value) <= 500 for value in answer.headers.values())


async def test_no_model_has_a_name_of_ten_megabytes() -> None:
    upstream = ScriptedUpstream(answers.gemini())
    answer = await post(upstream, chat(GEMINI + "a" * 10_000_000))
    assert (answer.status_code, answer.json()["error"]["param"], answer.json()["error"]["code"]) == (
        400,
        "model",
        "string_above_max_length",
    )
    assert len(answer.content) < 500
    assert upstream.sent == []


async def test_a_request_does_not_make_a_log_line_as_long_as_itself(capfd: pytest.CaptureFixture[str]) -> None:
    fields = {f"vendor_{number}_{'x' * 100}": 1 for number in range(5_000)}
    headers = {"user-agent": "u" * 60_000, "x-cloud-trace-context": "a" * 60_000 + "/1"}
    answer = await post(ScriptedUpstream(answers.gemini()), chat(**fields), **headers)
    assert answer.status_code == 200
    [line] = [line for line in capfd.readouterr().err.splitlines() if '"chat completion"' in line]
    assert len(line) < 10_000
    ignored = json.loads(line)["ignored"]
    assert (len(ignored), max(map(len, ignored))) == (64, 64)


LINE_ENDS = "\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e\n\r\x7f\u202e"


async def test_nothing_that_a_client_sends_begins_a_line_of_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    forged = f'x{LINE_ENDS}{{"severity":"INFO","message":"forged"}}'
    async with client(ScriptedUpstream(answers.gemini())) as http:
        await http.post("/v1/chat/completions", json={**chat(), forged: 1})
        await http.get(f"/v1/{quote(forged)}", headers={"user-agent": "a\x85b".encode("latin-1")})  # pyright: ignore[reportArgumentType]
    written = capfd.readouterr().err
    lines = written.splitlines()
    assert len(lines) == 2
    assert [line.isprintable() for line in lines] == [True, True]
    assert json.loads(lines[0])["ignored"] == [forged[:64]]
    assert json.loads(lines[1])["httpRequest"]["userAgent"] == "a\x85b"
