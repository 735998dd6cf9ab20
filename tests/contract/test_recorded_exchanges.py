"""Every recorded exchange through the running gateway, over real sockets, in reads of odd sizes, by the official client."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState

from chromagent.local import keys
from tests.support import expected, processes, recordings, replaying_upstream
from tests.support.recordings import Recording

MODELS = {"gemini": "gemini-3.8-flash", "anthropic": "claude-sonnet-4-6"}
BROKEN = ("composed-vertex-claude-stream-overloaded-mid-stream", "firebase-vertexai-streaming-failure-error-mid-stream")
ALL = recordings.load()
GOOD = [one for one in ALL if one.status < 300 and not one.case.endswith(BROKEN)]


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    logs = tmp_path_factory.mktemp("replay")
    key, record = keys.issue("replay")
    document = logs / "keys.json"
    document.write_text(json.dumps({"keys": [record]}))
    with replaying_upstream.serving(ALL) as address:
        backend = {"base_url": address, "auth": "none", "project": "p", "max_retries": 0}
        once = {"retry_empty": 0, "retry_malformed": 0}
        backends = {"vertex-gemini": {**backend, "options": once}, "vertex-anthropic": backend}
        configuration = {"client_keys": f"file:{document}", "backends": backends}
        with (
            processes.function("chat_completions", configuration, logs / "gateway.log") as gateway,
            OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as client,
        ):
            yield client


def ask(client: OpenAI, recording: Recording) -> Any:
    """Ask as the recording was asked; a stream is added up by the client's own helper."""
    request: dict[str, Any] = {
        "model": MODELS[recording.provider],
        "messages": [{"role": "user", "content": f"replay {recording.case}"}],
    }
    if not recording.stream:
        return client.chat.completions.create(**request)
    state = ChatCompletionStreamState()
    for chunk in client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True}):
        state.handle_chunk(chunk)
    return state.current_completion_snapshot


@pytest.mark.parametrize("recording", recordings.parameters(GOOD))
def test_a_recorded_answer_reaches_the_client(replay: OpenAI, recording: Recording) -> None:
    completion = ask(replay, recording)
    wanted = expected.read(recording)
    choice = completion.choices[0]
    assert choice.finish_reason == wanted.finish_reason
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == wanted.usage
    if wanted.refused:
        assert choice.message.refusal
        return
    assert (choice.message.content or "") == wanted.text
    told = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or []]
    assert told == wanted.calls


@pytest.mark.parametrize("recording", recordings.parameters([one for one in ALL if one.case.endswith(BROKEN)]))
def test_a_recorded_error_inside_a_stream_reaches_the_client(replay: OpenAI, recording: Recording) -> None:
    with pytest.raises(openai.APIError) as caught:
        ask(replay, recording)
    assert caught.value.code in {"upstream_overloaded", "upstream_cancelled"}


@pytest.mark.parametrize("recording", recordings.parameters([one for one in ALL if one.status >= 400]))
def test_a_recorded_refusal_reaches_the_client_as_its_error(replay: OpenAI, recording: Recording) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(replay, recording)
    wanted = 502 if "API_KEY_INVALID" in recording.body.decode() else {401: 502, 529: 503}.get(recording.status, recording.status)
    assert caught.value.status_code == wanted
    assert caught.value.request_id is not None
