"""What the official client library does with the gateway, for a model of each family."""

import base64
import json
import struct
import time
import zlib

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from tests.support.processes import Server

GEMINI = "gemini-3.8-flash"
CLAUDE = "claude-sonnet-4-6"
BOTH = pytest.mark.parametrize("model", [GEMINI, CLAUDE])

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def png(width: int, height: int) -> str:
    """A real PNG image as a data URL."""
    rows = b"".join(b"\x00" + b"\x80\x40\x20" * width for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


@BOTH
def test_a_completion(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.create(model=model, messages=user("say Reykjavik"))
    assert completion.object == "chat.completion"
    assert completion.id.startswith("chatcmpl-")
    assert completion.choices[0].finish_reason == "stop"
    assert "Reykjavik" in (completion.choices[0].message.content or "")


@BOTH
def test_usage_adds_up(client: OpenAI, model: str) -> None:
    usage = client.chat.completions.create(model=model, messages=user("say one two three")).usage
    assert usage is not None
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@BOTH
def test_a_stream_gives_the_same_text_word_by_word(client: OpenAI, model: str) -> None:
    whole = client.chat.completions.create(model=model, messages=user("count to 10")).choices[0].message.content
    chunks = list(client.chat.completions.create(model=model, messages=user("count to 10"), stream=True))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert "".join(pieces) == whole
    assert len(pieces) >= 10
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].choices[0].finish_reason == "stop"


@BOTH
def test_usage_is_the_last_chunk_and_only_where_asked_for(client: OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(model=model, messages=user("hi"), stream=True, stream_options={"include_usage": True})
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert all(chunk.usage is None for chunk in chunks[:-1])
    without = list(client.chat.completions.create(model=model, messages=user("hi"), stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in without)


@BOTH
def test_the_stream_helper_accumulates_the_message(client: OpenAI, model: str) -> None:
    with client.chat.completions.stream(model=model, messages=user("say Nairobi")) as stream:
        kinds = {event.type for event in stream}
        completion = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert completion.choices[0].message.role == "assistant"
    assert "Nairobi" in (completion.choices[0].message.content or "")


@pytest.mark.anyio
@BOTH
async def test_the_async_client(async_client: AsyncOpenAI, model: str) -> None:
    stream = await async_client.chat.completions.create(model=model, messages=user("say Lima"), stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert "Lima" in text


class Place(BaseModel):
    """What a model is asked to fill in."""

    city: str
    population: int
    languages: list[str]


@BOTH
def test_parse_gives_an_instance_of_the_schema(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.parse(model=model, messages=user("Describe Oslo"), response_format=Place)
    place = completion.choices[0].message.parsed
    assert isinstance(place, Place)


@BOTH
def test_json_mode_gives_an_object(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.create(
        model=model, messages=user("Describe Oslo as JSON"), response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(completion.choices[0].message.content or ""), dict)


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_three_steps_with_parallel_calls(client: OpenAI, model: str, stream: bool) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Use the tools."},
        {"role": "user", "content": "What is the weather in Oslo and Rome?"},
    ]
    first = _ask(client, model, messages, stream=stream)
    calls = first["tool_calls"]
    assert [json.loads(call["function"]["arguments"])["city"] for call in calls] == ["Oslo", "Rome"]
    messages.append(first)  # pyright: ignore[reportArgumentType]
    messages += [{"role": "tool", "tool_call_id": call["id"], "content": '{"celsius": 7}'} for call in calls]

    second = _ask(client, model, messages, stream=stream)
    assert "7" in second["content"]
    messages += [second, {"role": "user", "content": "And the weather in Lima?"}]  # pyright: ignore[reportArgumentType]

    third = _ask(client, model, messages, stream=stream)
    assert [json.loads(call["function"]["arguments"])["city"] for call in third["tool_calls"]] == ["Lima"]
    messages.append(third)  # pyright: ignore[reportArgumentType]
    messages += [{"role": "tool", "tool_call_id": call["id"], "content": "rain"} for call in third["tool_calls"]]
    assert "rain" in _ask(client, model, messages, stream=stream)["content"]


def _ask(client: OpenAI, model: str, messages: list[ChatCompletionMessageParam], *, stream: bool) -> dict[str, object]:
    """One step; the message as a client that keeps only OpenAI's own members would keep it."""
    if stream:
        with client.chat.completions.stream(model=model, messages=messages, tools=[WEATHER]) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0].message
    kept: dict[str, object] = {"role": "assistant", "content": message.content}
    if message.tool_calls:
        kept["tool_calls"] = [
            call.model_dump(include={"id", "type", "function"}, exclude={"function": {"parsed_arguments"}})
            for call in message.tool_calls
        ]
    return kept


@BOTH
def test_a_forced_tool_is_called(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.create(
        model=model,
        messages=user("Good morning"),
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )
    assert completion.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in completion.choices[0].message.tool_calls or []] == ["get_weather"]


@BOTH
def test_tool_choice_none_calls_no_tool(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.create(
        model=model, messages=user("What is the weather in Oslo?"), tools=[WEATHER], tool_choice="none"
    )
    assert completion.choices[0].message.tool_calls is None
    assert completion.choices[0].finish_reason == "stop"


@BOTH
def test_an_image_is_seen(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.create(
        model=model,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "How large is this image?"},
                    {"type": "image_url", "image_url": {"url": png(48, 32)}},
                ],
            }
        ],
    )
    text = completion.choices[0].message.content or ""
    assert "48" in text
    assert "32" in text


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_comes_out_and_is_counted(client: OpenAI, model: str, stream: bool) -> None:
    if stream:
        chunks = list(
            client.chat.completions.create(
                model=model,
                messages=user("Why is the sky blue?"),
                reasoning_effort="high",
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        reasoning = "".join(getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks if chunk.choices)
        usage = chunks[-1].usage
    else:
        completion = client.chat.completions.create(model=model, messages=user("Why is the sky blue?"), reasoning_effort="high")
        reasoning = getattr(completion.choices[0].message, "reasoning_content", "")
        usage = completion.usage
    assert reasoning
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert (usage.completion_tokens_details.reasoning_tokens or 0) > 0


@pytest.mark.parametrize(("model", "n"), [("gemini-2.5-flash", 3), (CLAUDE, 3)])
@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(client: OpenAI, model: str, n: int, stream: bool) -> None:
    if stream:
        chunks = list(client.chat.completions.create(model=model, messages=user("say hi"), n=n, stream=True))
        finished = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason]
        assert sorted(finished) == [0, 1, 2]
    else:
        completion = client.chat.completions.create(model=model, messages=user("say hi"), n=n)
        assert [choice.index for choice in completion.choices] == [0, 1, 2]


@BOTH
def test_max_tokens_ends_with_length(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.create(model=model, messages=user("count to 50"), max_completion_tokens=5)
    assert completion.choices[0].finish_reason == "length"


@BOTH
def test_a_stop_sequence_ends_the_text_before_it(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.create(model=model, messages=user("count to 10"), stop="5")
    assert "4" in (completion.choices[0].message.content or "")
    assert "5" not in (completion.choices[0].message.content or "")
    assert completion.choices[0].finish_reason == "stop"


ERRORS = [
    ("simulate: 400", openai.BadRequestError, 400),
    ("simulate: 403", openai.PermissionDeniedError, 403),
    ("simulate: 404", openai.NotFoundError, 404),
    ("simulate: 429 60s", openai.RateLimitError, 429),
    ("simulate: 500", openai.InternalServerError, 500),
    ("simulate: 503", openai.InternalServerError, 503),
]


@BOTH
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("text", "kind", "status"), ERRORS)
def test_each_upstream_error_raises_its_class(
    client: OpenAI, model: str, text: str, kind: type[openai.APIStatusError], status: int, stream: bool
) -> None:
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=model, messages=user(text), stream=stream)
    assert caught.value.status_code == status
    assert caught.value.request_id is not None
    assert caught.value.request_id.startswith("req_")


@BOTH
def test_a_wait_of_the_upstream_reaches_the_client(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=model, messages=user("simulate: 429 60s"))
    assert caught.value.response.headers["retry-after"] == "60"
    assert caught.value.code == "rate_limit_exceeded"


@BOTH
def test_the_client_retries_after_the_wait_it_was_told(client: OpenAI, model: str) -> None:
    start = time.monotonic()
    with pytest.raises(openai.RateLimitError):
        client.with_options(max_retries=1).chat.completions.create(
            model=model, messages=user("simulate: 429 11s"), timeout=0.5 + 11
        )
    assert time.monotonic() - start >= 11


def test_a_wrong_key_is_an_authentication_error(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="sk-cg-wrong").chat.completions.create(model=GEMINI, messages=user("hi"))
    assert caught.value.code == "invalid_api_key"


def test_a_wrong_field_is_named(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=GEMINI, messages=user("hi"), temperature=9)
    assert caught.value.param == "temperature"


@BOTH
@pytest.mark.parametrize("trouble", ["overloaded-mid-stream", "cut-mid-stream", "garbage-mid-stream"])
def test_a_stream_that_breaks_raises_after_what_came(client: OpenAI, model: str, trouble: str) -> None:
    pieces: list[str] = []
    stream = client.chat.completions.create(model=model, messages=user(f"simulate: {trouble}"), stream=True)
    with pytest.raises(openai.APIError) as caught:
        pieces.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(pieces)
    assert caught.value.code in {"upstream_overloaded", "upstream_unavailable", "upstream_invalid_response", "upstream_unreachable"}


@BOTH
def test_a_refusal_is_a_filtered_answer(client: OpenAI, model: str) -> None:
    text = "simulate: blocked" if model == GEMINI else "simulate: refusal"
    completion = client.chat.completions.create(model=model, messages=user(text))
    assert completion.choices[0].finish_reason == "content_filter"
    assert completion.choices[0].message.refusal
    assert completion.choices[0].message.content is None


@BOTH
def test_a_busy_upstream_is_tried_again_without_the_client_noticing(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.create(model=model, messages=user("simulate: flaky 1"))
    assert completion.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_of_a_model_that_has_them(client: OpenAI, stream: bool) -> None:
    ask = {"model": "gemini-2.5-flash", "messages": user("say hello there"), "logprobs": True, "top_logprobs": 2}
    if stream:
        with client.chat.completions.stream(**ask) as events:  # pyright: ignore
            choice = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**ask).choices[0]  # pyright: ignore
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    assert "".join(token.token for token in tokens) == choice.message.content
    assert all(len(token.top_logprobs) == 2 for token in tokens)


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_web_search_brings_annotations(client: OpenAI, model: str, stream: bool) -> None:
    if stream:
        with client.chat.completions.stream(model=model, messages=user("Tell me about Oslo."), web_search_options={}) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = (
            client.chat.completions.create(model=model, messages=user("Tell me about Oslo."), web_search_options={})
            .choices[0]
            .message
        )
    citation = (message.annotations or [])[0]
    found = citation["url_citation"] if isinstance(citation, dict) else citation.url_citation.model_dump()
    assert found["url"].startswith("https://example.com")
    assert 0 <= found["start_index"] < found["end_index"] < len(message.content or "")


def test_code_that_google_ran_is_part_of_the_text(client: OpenAI) -> None:
    tools: list[object] = [{"type": "code_interpreter"}]
    completion = client.chat.completions.create(model=GEMINI, messages=user("Compute 12 * 12"), tools=tools)  # pyright: ignore
    assert "print(12 * 12)" in (completion.choices[0].message.content or "")
    assert "\n144\n" in (completion.choices[0].message.content or "")


def test_images_and_speech_out(client: OpenAI) -> None:
    image = client.chat.completions.create(model="gemini-3.1-flash-image", messages=user("Draw a dot")).choices[0].message
    assert image.model_extra["images"][0]["image_url"]["url"].startswith("data:image/png;base64,")  # pyright: ignore
    spoken = client.chat.completions.create(
        model="gemini-3.8-flash-tts", messages=user("Hello"), modalities=["audio"], audio={"voice": "alloy", "format": "wav"}
    )
    audio = spoken.choices[0].message.audio
    assert audio is not None
    assert base64.b64decode(audio.data)[:4] == b"RIFF"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_longer_than_one_request(client: OpenAI, stream: bool) -> None:
    ask = {"model": "gemini-4-argon", "messages": user("simulate: continuation and count to 20")}
    if stream:
        with client.chat.completions.stream(**ask) as events:  # pyright: ignore
            text = events.get_final_completion().choices[0].message.content
    else:
        text = client.chat.completions.create(**ask).choices[0].message.content  # pyright: ignore
    assert "20" in (text or "")


def test_the_list_of_models(client: OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {GEMINI, CLAUDE, "fast"} <= set(models)
    assert models[CLAUDE].owned_by == "anthropic"


def test_one_model_tells_what_becomes_of_each_parameter(client: OpenAI) -> None:
    model = client.models.retrieve(CLAUDE)
    extension = model.model_extra["chromagent"]  # pyright: ignore[reportOptionalSubscript]
    assert extension["backend"] == "vertex-anthropic"
    assert extension["parameters"]["seed"] == "ignored"
    assert extension["parameters"]["logprobs"] == "rejected"


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no/such-model")
    assert caught.value.code == "model_not_found"


def test_ignored_fields_are_named_in_a_header(client: OpenAI) -> None:
    answer = client.chat.completions.with_raw_response.create(model=CLAUDE, messages=user("hi"), seed=5, extra_body={"min_p": 0.1})
    assert set(answer.headers["x-chromagent-ignored"].split(",")) == {"seed", "min_p"}


def test_memory_stays_bounded_over_many_requests(client: OpenAI, gateway: Server) -> None:
    for _ in range(20):
        client.chat.completions.create(model=GEMINI, messages=user("hi"))
    before = gateway.resident_bytes()
    for _ in range(100):
        client.chat.completions.create(model=GEMINI, messages=user("hi"))
    assert gateway.resident_bytes() - before < 10_000_000
