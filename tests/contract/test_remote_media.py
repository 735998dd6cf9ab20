"""Images and documents by URL: passed to Gemini, fetched for Claude, refused with their place where that cannot be."""

import base64
from typing import Any

import httpx
import pytest

from chromagent.app import create_app
from chromagent.upstream.remote_files import FetchRules, RemoteFiles
from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, settings
from tests.support.scripted_upstream import ScriptedUpstream
from tests.unit.upstream.test_remote_files import PNG, Web, page, resolving

pytestmark = pytest.mark.anyio

URL = "https://files.test/a.png"
ENCODED = base64.b64encode(PNG).decode()


def messages(url: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": url}}]}]


async def ask(web: Web, upstream: ScriptedUpstream, *bodies: dict[str, Any], **configured: Any) -> list[httpx.Response]:
    files = RemoteFiles(FetchRules(), transport=web, resolve=resolving(inside_test=["10.0.0.1"]))
    app: Any = create_app(settings(**configured), transport=upstream, files=files)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        return [await http.post("/v1/chat/completions", json=body) for body in bodies]


async def test_claude_gets_the_bytes() -> None:
    upstream = ScriptedUpstream(answers.claude())
    await ask(Web(files_test_a_png=page()), upstream, {"model": CLAUDE, "messages": messages(URL)})
    assert upstream.sent[0].body["messages"][0]["content"][1] == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": ENCODED},
    }


async def test_claude_gets_the_same_bytes_at_the_next_turn_whatever_the_server_says_by_then() -> None:
    upstream = ScriptedUpstream(answers.claude())
    web = Web(files_test_a_png=page())
    turn = messages(URL)
    files = RemoteFiles(FetchRules(), transport=web, resolve=resolving())
    app: Any = create_app(settings(), transport=upstream, files=files)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        await http.post("/v1/chat/completions", json={"model": CLAUDE, "messages": turn})
        web.pages["files_test_a_png"] = page(b"GIF89a changed")
        later = [*turn, {"role": "assistant", "content": "I see"}, {"role": "user", "content": "more"}]
        await http.post("/v1/chat/completions", json={"model": CLAUDE, "messages": later})
    assert upstream.sent[1].body["messages"][0] == upstream.sent[0].body["messages"][0]


async def test_gemini_fetches_by_itself() -> None:
    upstream = ScriptedUpstream(answers.gemini())
    web = Web()
    await ask(web, upstream, {"model": GEMINI, "messages": messages(URL)})
    assert upstream.sent[0].body["contents"][0]["parts"][1] == {"fileData": {"mimeType": "image/png", "fileUri": URL}}
    assert web.asked == []


async def test_for_gemini_the_gateway_fetches_where_the_owner_wants_it() -> None:
    upstream = ScriptedUpstream(answers.gemini())
    await ask(
        Web(files_test_a_png=page()),
        upstream,
        {"model": GEMINI, "messages": messages(URL)},
        gemini={"options": {"http_media": "fetch"}},
    )
    assert upstream.sent[0].body["contents"][0]["parts"][1] == {"inlineData": {"mimeType": "image/png", "data": ENCODED}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "param"), [(CLAUDE, "messages.[0].content.[1].image_url.url"), (GEMINI, "messages[0].content[1].image_url.url")]
)
@pytest.mark.parametrize("url", ["https://inside.test/a.png", "http://files.test/a.png"])
async def test_what_may_not_be_fetched_is_a_400_with_its_place(model: str, param: str, url: str, stream: bool) -> None:
    upstream = ScriptedUpstream(answers.claude())
    body = {"model": model, "messages": messages(url), "stream": stream}
    [answer] = await ask(Web(), upstream, body, gemini={"options": {"http_media": "fetch"}})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_image_url", param)
    assert upstream.sent == []


async def test_a_pdf_by_url() -> None:
    upstream = ScriptedUpstream(answers.claude())
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://files.test/a.pdf"}}
    await ask(
        Web(files_test_a_pdf=page(b"%PDF-1.4 x")), upstream, {"model": CLAUDE, "messages": [{"role": "user", "content": [part]}]}
    )
    block = upstream.sent[0].body["messages"][0]["content"][0]
    assert (block["type"], block["source"]["media_type"]) == ("document", "application/pdf")
