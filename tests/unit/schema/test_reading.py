import pytest

from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place

HERE = Place(("messages", 1))


def test_a_place_is_spelt_as_clients_know_it() -> None:
    assert str(HERE.at("content", 0, "text")) == "messages[1].content[0].text"


def test_a_dotted_place_has_dots_before_indexes() -> None:
    assert str(Place(("messages", 1, "content", 0), dotted=True)) == "messages.[1].content.[0]"


def test_a_string_is_one_text_part() -> None:
    assert reading.parts("hi", HERE) == [{"type": "text", "text": "hi"}]


def test_no_content_is_no_part() -> None:
    assert reading.parts(None, HERE) == []


@pytest.mark.parametrize(
    ("content", "param", "code"),
    [
        (5, "messages[1]", "invalid_type"),
        (["x"], "messages[1][0]", "invalid_type"),
        ([{"text": "x"}], "messages[1][0].type", "missing_required_parameter"),
        ([{"type": 3}], "messages[1][0].type", "invalid_type"),
    ],
)
def test_a_wrong_part_is_named(content: object, param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        reading.parts(content, HERE)
    assert (caught.value.param, caught.value.code) == (param, code)


def test_a_required_member_that_is_null_is_missing() -> None:
    with pytest.raises(InvalidRequest) as caught:
        reading.required({"name": None}, "name", reading.text, HERE)
    assert (caught.value.param, caught.value.code) == ("messages[1].name", "missing_required_parameter")


def test_an_optional_member_may_be_null() -> None:
    assert reading.optional({"name": None}, "name", reading.text, HERE) is None


def test_true_is_no_integer() -> None:
    with pytest.raises(InvalidRequest, match="expected an integer, but got a boolean"):
        reading.integer(True, HERE)


def test_five_point_zero_is_an_integer() -> None:
    assert reading.integer(5.0, HERE) == 5
