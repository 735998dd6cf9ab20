"""Answers as bytes: a chunk as an event, an error as a body or an event. Hides what all chunks of a stream share."""

from typing import TYPE_CHECKING, Final

from chromagent import codec, sse
from chromagent.codec import JsonObject
from chromagent.errors import GatewayError, to_body

if TYPE_CHECKING:
    from chromagent.translators.protocol import Delta, Head

KEEP_ALIVE: Final = sse.encode_comment("keep-alive")


class ChunkWriter:
    """Writes the chunks of one stream. What does not change from chunk to chunk is encoded once."""

    def __init__(self, head: "Head", *, include_usage: bool) -> None:
        shared: JsonObject = {
            "id": head.id,
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
            "system_fingerprint": None,
        }
        if head.service_tier is not None:
            shared["service_tier"] = head.service_tier
        self._opening = b"data: " + codec.encode(shared)[:-1] + b',"choices":['
        self._closing = b'}],"usage":null}\n\n' if include_usage else b"}]}\n\n"
        self._beginning = self._opening + b'{"index":0,"delta":'
        self._ending = b',"logprobs":null,"finish_reason":null' + self._closing
        self._include_usage = include_usage

    def write(self, deltas: "list[Delta]") -> bytes:
        """Frame the chunks of one read; they leave in one piece."""
        pieces: list[bytes] = []
        for delta in deltas:
            if (
                delta.finish_reason is None and delta.logprobs is None and delta.choice == 0
            ):  # nearly all: prepared around the delta
                pieces += (self._beginning, codec.encode(delta.delta), self._ending)
            else:
                pieces.append(self._frame(delta))
        return sse.escape_line_ends(b"".join(pieces))

    def finish(self, usage: JsonObject | None) -> bytes:
        """Frame the usage chunk, if it was asked for, and the end of the stream."""
        if not self._include_usage:
            return sse.DONE
        return sse.escape_line_ends(self._opening + b'],"usage":' + codec.encode(usage) + b"}\n\n") + sse.DONE

    def _frame(self, delta: "Delta") -> bytes:
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b%b' % (
            self._opening,
            delta.choice,
            codec.encode(delta.delta),
            codec.encode(delta.logprobs),
            codec.encode(delta.finish_reason),
            self._closing,
        )


def error_event(error: GatewayError, *, done: bool) -> bytes:
    """Frame an error that comes after the first byte: clients raise it. `[DONE]` after it only where the owner asked."""
    event = sse.encode(codec.encode(to_body(error)))
    return event + sse.DONE if done else event


def header_list(names: list[str], *, allowed: str = "_-.") -> str:
    """Join names for a header. Names of fields come from clients: what does not belong into a header is left out of them."""
    clean = [
        "".join(letter for letter in name[:64] if letter.isascii() and (letter.isalnum() or letter in allowed)) for name in names
    ]
    return ",".join(name for name in dict.fromkeys(clean[:64]) if name)
