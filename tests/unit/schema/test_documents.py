from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from chromagent.schema import documents
from chromagent.schema.documents import FaultyDocumentError


class Switches(Struct, frozen=True):
    size: int = 1
    names: tuple[str, ...] = ()


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    colour: Literal["red", "green"] = "red"
    word: Annotated[str, Meta(pattern="^[a-z]+$", description="a word in small letters")] | None = None


class Outer(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    number: int
    inner: Inner = Inner()
    by_name: dict[str, Inner] = {}
    either: dict[str, str | tuple[str, ...]] = {}
    switches: Switches | None = None

    def __post_init__(self) -> None:
        if self.number == 13:
            raise ValueError("13 brings no luck")


def faults(document: Any) -> list[str]:
    with pytest.raises(FaultyDocumentError) as caught:
        documents.read(document, Outer)
    return [str(fault) for fault in caught.value.faults]


def test_a_sound_document_is_read() -> None:
    document = {"number": 1, "by_name": {"a": {"word": "b"}}, "either": {"x": "y", "z": ["1", "2"]}, "switches": {"size": 3}}
    assert documents.read(document, Outer) == Outer(
        number=1, by_name={"a": Inner(word="b")}, either={"x": "y", "z": ("1", "2")}, switches=Switches(3)
    )


def test_texts_serve_as_the_numbers_that_they_spell() -> None:
    assert documents.read({"number": "7", "switches": {"size": "8"}}, Outer) == Outer(number=7, switches=Switches(8))


def test_every_fault_is_told_with_its_place() -> None:
    document = {
        "inner": {"colour": "blue", "word": "NO"},
        "by_name": {"a": {"word": "yes"}, "b": {"word": 5}, "c": 1},
        "either": {"x": [1]},
        "switches": {"size": "large", "names": ["a", 2]},
        "odd": 1,
    }
    assert faults(document) == [
        "inner.colour: expected red or green",
        "inner.word: expected a word in small letters",
        "by_name.b.word: expected a word in small letters",
        "by_name.c: expected an object, got an integer",
        "either.x: expected a string, got an integer",
        "switches.size: expected an integer, got a string",
        "switches.names.1: expected a string, got an integer",
        "odd: is not known here",
        "number: is missing",
    ]


def test_the_rule_of_a_whole_is_told_where_its_members_are_sound() -> None:
    assert faults({"number": 13}) == ["13 brings no luck"]


def test_a_document_of_another_kind_is_a_fault() -> None:
    assert faults([]) == ["expected an object, got an array"]


def test_a_wrong_value_is_never_repeated() -> None:
    assert "canary" not in "".join(faults({"number": "canary", "inner": {"colour": "canary", "word": "CANARY canary"}}))
