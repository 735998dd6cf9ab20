from datetime import UTC, datetime
from typing import Any

import pytest

from chromagent import codec
from chromagent.schema import keys
from chromagent.schema.documents import FaultyDocumentError

RECORD: dict[str, Any] = {"id": "k1", "sha256": "a" * 64}


def read(**fields: Any) -> keys.KeyRecord:
    return keys.read(codec.encode({"keys": [RECORD | fields]})).keys[0]


def test_hashes_are_kept_in_small_letters() -> None:
    assert read(sha256="ABCD" * 16).sha256 == "abcd" * 16


@pytest.mark.parametrize("text", ["2027-01-31T12:00:00Z", "2027-01-31T13:00:00+01:00"])
def test_a_key_ends_at_its_time_in_any_zone(text: str) -> None:
    end = datetime(2027, 1, 31, 12, tzinfo=UTC).timestamp()
    record = read(expires_at=text)
    assert (record.usable(end - 1), record.usable(end)) == (True, False)


@pytest.mark.parametrize("rate", ["600/minute", "10 per 5 seconds", "600/minute;10000/day", "1/second, 5 / hour | 3 per 2 days"])
def test_a_rate_is_read_in_the_notation_of_limits(rate: str) -> None:
    from limits import parse_many

    assert read(limits={"requests": rate}).limits.requests == rate
    assert parse_many(rate)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"id": ""}, "keys.0.id"),
        ({"id": "x" * 121}, "keys.0.id"),
        ({"sha256": "a" * 63}, "keys.0.sha256"),
        ({"sha256": "a" * 64 + "\n"}, "keys.0.sha256"),
        ({"expires_at": "2027-01-31T12:00:00"}, "keys.0.expires_at"),
        ({"limits": {"requests": "0/minute"}}, "keys.0.limits.requests"),
        ({"limits": {"tokens": "5/minute;often"}}, "keys.0.limits.tokens"),
        ({"models": "gemini-*"}, "keys.0.models"),
        ({"colour": "red"}, "keys.0.colour"),
    ],
)
def test_a_wrong_record_is_a_fault(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(FaultyDocumentError) as caught:
        read(**fields)
    assert [".".join(map(str, fault.path)) for fault in caught.value.faults] == [path]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"keys": {}}'])
def test_what_is_no_such_document_is_a_fault(content: bytes) -> None:
    with pytest.raises(FaultyDocumentError):
        keys.read(content)
