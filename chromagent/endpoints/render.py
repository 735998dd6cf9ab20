"""Answers as bytes: a chunk as an event, an error as a body or an event. Hides what all chunks of a stream share."""

from typing import Final

from chromagent import codec, sse
from chromagent.codec import JsonObject
from chromagent.errors import GatewayError, to_body
from chromagent.translators.protocol import Delta, Head

KEEP_ALIVE: Final = sse.encode_comment("keep-alive")


class ChunkWriter:
    """Writes the chunks of one stream. What does not change from chunk to chunk is encoded once."""

    def __init__(self, head: Head, *, include_usage: bool) -> None:
        shared: JsonObject = {
            "id": head.id,
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
            "system_fingerprint": None,
        }
        if head.service_tier is not None:
            shared["service_tier"] = head.service_tier
        self._opening = b"data: " + sse.escape_line_ends(codec.encode(shared)[:-1]) + b',"choices":['
        self._closing = b'}],"usage":null}\n\n' if include_usage else b"}]}\n\n"
        self._beginning = self._opening + b'{"index":0,"delta":'
        self._ending = b',"logprobs":null,"finish_reason":null' + self._closing
        self._include_usage = include_usage

    def write(self, deltas: list[Delta]) -> bytes:
        """Frame the chunks of one read; they leave in one piece."""
        return b"".join([self._frame(delta) for delta in deltas])

    def finish(self, usage: JsonObject | None) -> bytes:
        """Frame the usage chunk, if it was asked for, and the end of the stream."""
        if not self._include_usage:
            return sse.DONE
        return self._opening + b'],"usage":' + codec.encode(usage) + b"}\n\n" + sse.DONE

    def _frame(self, delta: Delta) -> bytes:
        if delta.finish_reason is None and delta.logprobs is None and delta.choice == 0:  # nearly all: prepared around the delta
            return b"".join((self._beginning, sse.escape_line_ends(codec.encode(delta.delta)), self._ending))
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b%b' % (
            self._opening,
            delta.choice,
            sse.escape_line_ends(codec.encode(delta.delta)),
            b"null" if delta.logprobs is None else sse.escape_line_ends(codec.encode(delta.logprobs)),
            b"null" if delta.finish_reason is None else codec.encode(delta.finish_reason),
            self._closing,
        )


def error_event(error: GatewayError, *, done: bool) -> bytes:
    """Frame an error that comes after the first byte: clients raise it. `[DONE]` after it only where the owner asked."""
    event = sse.encode(codec.encode(to_body(error)))
    return event + sse.DONE if done else event


def header_list(names: list[str]) -> str:
    """Join field names for a header. Names come from clients: what does not belong into a header is left out of them."""
    clean = [
        "".join(letter for letter in name[:64] if letter.isascii() and (letter.isalnum() or letter in "_-.")) for name in names
    ]
    return ",".join(name for name in dict.fromkeys(clean[:64]) if name)
