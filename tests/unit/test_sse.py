import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromagent import sse
from chromagent.errors import UpstreamInvalidResponse
from chromagent.sse import STRAY, ServerSentEvent, SSEDecoder

STREAM = (
    b": hello\r\n"
    b'data: {"a":1}\r\n\r\n'
    b"event: message_start\n"
    b"data:first\n"
    b"data: second\n"
    b"id: 7\nretry: 10\n\n"
    b"data: caf\xc3\xa9 \xe2\x80\xa8 \x1c\x85 end\r\r"
    b"data: [DONE]\n\n"
)
EVENTS = [
    ServerSentEvent("", b'{"a":1}'),
    ServerSentEvent("message_start", b"first\nsecond"),
    ServerSentEvent("", b"caf\xc3\xa9 \xe2\x80\xa8 \x1c\x85 end"),
    ServerSentEvent("", b"[DONE]"),
]


def decode(*reads: bytes) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    events = [event for read in reads for event in decoder.feed(read)]
    return events + decoder.finish()


def test_a_whole_stream_is_read() -> None:
    assert decode(STREAM) == EVENTS


@pytest.mark.parametrize("position", range(len(STREAM)))
def test_a_cut_at_any_byte_changes_nothing(position: int) -> None:
    assert decode(STREAM[:position], STREAM[position:]) == EVENTS


def test_single_bytes_change_nothing() -> None:
    assert decode(*(STREAM[index : index + 1] for index in range(len(STREAM)))) == EVENTS


def test_empty_reads_change_nothing() -> None:
    assert decode(b"", b"data: x\r", b"", b"\n\r\n", b"") == [ServerSentEvent("", b"x")]


def test_the_end_of_input_dispatches_a_pending_event() -> None:
    assert decode(b'data: {"a":1}') == [ServerSentEvent("", b'{"a":1}')]


def test_an_event_without_data_is_none() -> None:
    assert decode(b"event: ping\n\ndata: x\n\n") == [ServerSentEvent("", b"x")]


def test_what_is_no_event_stream_is_handed_over_at_the_end() -> None:
    pretty = b'[{\n  "error": {\n    "code": 400\n  }\n}\n]'
    assert decode(pretty[:7], pretty[7:]) == [ServerSentEvent(STRAY, pretty)]


def test_an_event_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LARGEST_EVENT", 100)
    decoder = SSEDecoder()
    decoder.feed(b"data: " + b"x" * 50)
    with pytest.raises(UpstreamInvalidResponse):
        decoder.feed(b"x" * 51)


def test_many_events_may_exceed_the_limit_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LARGEST_EVENT", 100)
    decoder = SSEDecoder()
    assert sum(len(decoder.feed(b"data: 0123456789\n\n")) for _ in range(50)) == 50


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_are_read_the_same_however_they_are_cut(content: bytes, position: int) -> None:
    assert decode(content[:position], content[position:]) == decode(content)


def test_an_event_is_framed_with_one_space_and_a_blank_line() -> None:
    assert sse.encode(b'{"error":1}') == b'data: {"error":1}\n\n'


def test_line_ends_that_only_unicode_knows_are_escaped() -> None:
    assert sse.encode('"a\u2028b\u2029c\u0085d"'.encode()) == b'data: "a\\u2028b\\u2029c\\u0085d"\n\n'


def test_other_punctuation_of_the_same_block_is_left_alone() -> None:
    assert sse.encode("“x”".encode()) == "data: “x”\n\n".encode()
