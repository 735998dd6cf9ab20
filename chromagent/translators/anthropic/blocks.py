"""One block of an answer while it is told. Hides how its pieces become the block as Claude wrote it."""

import msgspec

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue


class OpenBlock(msgspec.Struct):
    """A block that began."""

    kind: str
    start: JsonObject
    texts: list[str] = []
    signature: str = ""
    citations: list[JsonObject] = []
    call: int = -1
    """Its place among the client's calls."""
    begins: int = 0
    """Where its text begins within the content."""
    name: str = ""
    surplus: bool = False
    """A call after the first, in the deprecated form that has one only."""

    def whole(self) -> JsonObject:
        """Put the block together as Claude wrote it."""
        joined = "".join(self.texts)
        whole = dict(self.start)
        if self.kind == "text":
            whole["text"] = joined
            if self.citations:
                whole["citations"] = self.citations
        elif self.kind == "thinking":
            whole |= {"thinking": joined, "signature": self.signature}
        elif joined:
            whole["input"] = _decoded(joined)
        elif "input" in whole or self.kind in ("tool_use", "json_tool"):
            whole["input"] = whole.get("input") or {}
        return whole


def _decoded(text: str) -> JsonValue:
    try:
        return codec.decode(text)
    except codec.MalformedJson:
        return {"INVALID_JSON": text}
