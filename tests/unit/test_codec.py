import pytest

from chromagent import codec
from chromagent.codec import MalformedJson


def test_integers_of_any_size_survive_both_directions() -> None:
    text = b'{"id":123456789012345678901234567890}'
    assert codec.encode(codec.decode(text)) == text


def test_key_order_is_kept() -> None:
    assert codec.encode(codec.decode(b'{"b":1,"a":2}')) == b'{"b":1,"a":2}'


def test_of_a_duplicate_key_the_last_value_counts() -> None:
    assert codec.decode(b'{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'"a\\ud800b"', "a�b"),
        (b'{"k\\udc00":["\\ud800"]}', {"k�": ["�"]}),
        (b'"\\ud83d\\ude00 \\ud83d"', "😀 �"),
        (b'"\xff"', "�"),
        ('"\ud800"', "�"),
    ],
)
def test_what_no_utf8_can_hold_becomes_the_replacement_character(text: bytes | str, value: object) -> None:
    assert codec.decode(text) == value


@pytest.mark.parametrize(
    "text", [b"", b"{", b"NaN", b'{"a":Infinity}', b"[1e400]", b"[1] [2]", b"[" * 100_000, b'{"a":"\\ud800", "b":NaN}']
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedJson):
        codec.decode(text)


def test_text_is_written_without_escapes_and_spaces() -> None:
    assert codec.encode_text({"ä": [1, "é\u2028"]}) == '{"ä":[1,"é\u2028"]}'
