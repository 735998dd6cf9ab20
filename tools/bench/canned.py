"""What the fake upstream says, as bytes made once. Shapes are those of recorded answers (Gemini and Claude on Vertex AI).

Every text holds `WORD`, so that counting it in what arrived at the client tells whether anything was lost on the way.
"""

from typing import Final, Literal, TypeAlias

Wire: TypeAlias = Literal["gemini", "claude"]

WORD: Final = b"lorem"
STAMP: Final = b"@%017.6f@"
"""The time of sending within a text, on the monotonic clock that all processes of a machine share."""
PLAIN: Final = b" ipsum dolor sit am"
"""As long as a stamp."""

_GEMINI_TAIL: Final = (
    b'"usageMetadata": {"promptTokenCount": 317,"candidatesTokenCount": 39,"totalTokenCount": 356,"trafficType": "ON_DEMAND",'
    b'"promptTokensDetails": [{"modality": "TEXT","tokenCount": 317}]},'
    b'"modelVersion": "gemini-3.8-flash","createTime": "2026-11-03T10:00:00.123456Z","responseId": "z5pgaeWlK_eeqtsPkveDiQw"}'
)
_ANSWER: Final = b" ".join([WORD, *[b"ipsum dolor sit amet, consectetur adipiscing elit"] * 8])

UNARY: Final[dict[Wire, bytes]] = {
    "gemini": b'{"candidates": [{"content": {"role": "model","parts": [{"text": "%b"}]},"finishReason": "STOP"}],%b'
    % (_ANSWER, _GEMINI_TAIL),
    "claude": b'{"id":"msg_01XQRA3bs4SB4yTBMwD3dbUi","type":"message","role":"assistant","model":"claude-sonnet-4-6",'
    b'"content":[{"type":"text","text":"%b"}],"stop_reason":"end_turn","stop_sequence":null,'
    b'"usage":{"input_tokens":317,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":39}}' % _ANSWER,
}

_GEMINI_EVENT: Final = b'data: {"candidates": [{"content": {"role": "model","parts": [{"text": "%b %%b"}]}}],' % WORD + (
    b'"usageMetadata": {"trafficType": "ON_DEMAND"},"modelVersion": "gemini-3.8-flash",'
    b'"createTime": "2026-11-03T10:00:00.123456Z","responseId": "z5pgaeWlK_eeqtsPkveDiQw"}\r\n\r\n'
)
_GEMINI_LAST: Final = (
    b'data: {"candidates": [{"content": {"role": "model","parts": [{"text": ""}]},"finishReason": "STOP"}],%b\r\n\r\n'
    % _GEMINI_TAIL
)
_CLAUDE_EVENT: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%b %%b"}}\n\n'
    % WORD
)
_CLAUDE_FIRST: Final = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_01XQRA3bs4SB4yTBMwD3dbUi","type":"message",'
    b'"role":"assistant","model":"claude-sonnet-4-6","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":317,'
    b'"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}\n\n',
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
    b'event: ping\ndata: {"type": "ping"}\n\n',
)
_CLAUDE_LAST: Final = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    b'"usage":{"output_tokens":39}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)


def chunk(data: bytes) -> bytes:
    """Frame data as one chunk of HTTP: vendors flush each event, so each is a chunk, also when several arrive at once."""
    return b"%x\r\n%b\r\n" % (len(data), data)


OPENING: Final[dict[Wire, bytes]] = {"gemini": b"", "claude": b"".join(map(chunk, _CLAUDE_FIRST))}
EVENT: Final[dict[Wire, bytes]] = {"gemini": chunk(_GEMINI_EVENT % PLAIN), "claude": chunk(_CLAUDE_EVENT % PLAIN)}
STAMPED: Final[dict[Wire, bytes]] = {wire: event.replace(PLAIN, STAMP) for wire, event in EVENT.items()}
CLOSING: Final[dict[Wire, bytes]] = {"gemini": chunk(_GEMINI_LAST), "claude": b"".join(map(chunk, _CLAUDE_LAST))}
END: Final = b"0\r\n\r\n"
LAST_WORDS: Final[dict[Wire, bytes]] = {"gemini": _GEMINI_LAST, "claude": _CLAUDE_LAST[-1]}
"""What a whole stream of the vendor ends in."""
