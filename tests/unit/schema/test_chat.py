import pytest

from chromagent import codec
from chromagent.codec import JsonObject
from chromagent.errors import InvalidJson, InvalidRequest
from chromagent.schema import chat

SMALL: JsonObject = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def parse(**fields: object) -> dict[str, object]:
    return dict(chat.parse(codec.encode(SMALL | fields)))


def test_a_small_request_is_read_as_it_is() -> None:
    assert parse() == SMALL


def test_null_means_absent() -> None:
    assert parse(temperature=None, tools=None, stop=None) == SMALL


def test_extensions_stay_in_place_even_with_nulls_inside() -> None:
    assert parse(extra_body={"google": {"x": None}})["extra_body"] == {"google": {"x": None}}


def test_a_float_without_fraction_is_an_integer() -> None:
    assert parse(n=2.0)["n"] == 2


def test_a_seed_of_any_size_is_read() -> None:
    assert parse(seed=10**30)["seed"] == 10**30


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"n": True}, "n", "invalid_type"),
        ({"n": 1.5}, "n", "invalid_type"),
        ({"n": "1"}, "n", "invalid_type"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"stream": 1}, "stream", "invalid_type"),
        ({"stop": 5}, "stop", "invalid_type"),
        ({"stop": ["a", 5]}, "stop", "invalid_type"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": [{}, 3]}, "tools[1]", "invalid_type"),
        ({"tool_choice": 3}, "tool_choice", "invalid_type"),
        ({"logit_bias": {"5": "x"}}, "logit_bias.5", "invalid_type"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": ["hi"]}, "messages[0]", "invalid_type"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": 5}, "model", "invalid_type"),
        ({"model": " "}, "model", "invalid_type"),
    ],
)
def test_a_wrong_field_is_named(fields: JsonObject, param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)
    assert (caught.value.param, caught.value.code) == (param, code)


def test_the_message_says_what_was_expected_and_what_came() -> None:
    with pytest.raises(InvalidRequest, match=r"Invalid type for .n.: expected an integer, but got a string instead\."):
        parse(n="1")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b'{"model":NaN}', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        chat.parse(body)


def test_lone_surrogates_do_not_stop_a_request() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"a\\ud800b"}]}'
    assert chat.parse(body)["messages"] == [{"role": "user", "content": "a�b"}]


def test_every_field_of_the_official_types_is_known() -> None:
    from openai.types.chat import completion_create_params  # the client library is a reference for tests only

    official = set(completion_create_params.CompletionCreateParamsBase.__annotations__) | {"stream"}
    assert official == chat.FIELDS
