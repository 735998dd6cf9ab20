"""Grounding and citations → OpenAI's annotations. Hides byte offsets: Google counts UTF-8 bytes, OpenAI counts characters.

Source: wire-gemini §3.7. `end_index` is that of the last character (openai 3.54.0 says so in its types).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chromagent.codec import JsonObject
from chromagent.translators.lenient import as_list, count, member, members, text


class Source(NamedTuple):
    """Metadata of one upstream answer, and how many bytes of text earlier answers to the same request had."""

    grounding: JsonObject
    citations: JsonObject
    base: int


class _Span(NamedTuple):
    start: int
    end: int


def annotations(content: str, sources: Sequence[Source], last: int) -> list[JsonObject]:
    """Return `url_citation` annotations of a final text, each once. `last` is added to the index after the last character."""
    found: dict[tuple[int, int, str], JsonObject] = {}
    encoded = content.encode()
    for source in sources:
        for span, title, url in (*_of_supports(content, encoded, source), *_of_citations(encoded, source)):
            citation = {"start_index": span.start, "end_index": span.end + last, "title": title, "url": url}
            found.setdefault((span.start, span.end, url), {"type": "url_citation", "url_citation": citation})
    return list(found.values())


def _of_supports(content: str, encoded: bytes, source: Source) -> Iterator[tuple[_Span, str, str]]:
    chunks = [_chunk(chunk) for chunk in members(source.grounding, "groundingChunks")]
    after = 0
    for support in members(source.grounding, "groundingSupports"):
        span = _locate(content, encoded, member(support, "segment"), source.base, after)
        if span is None:
            continue
        after = span.end
        for index in as_list(support.get("groundingChunkIndices")):
            if isinstance(index, int) and 0 <= index < len(chunks) and (chunk := chunks[index]) is not None:
                yield span, *chunk


def _of_citations(encoded: bytes, source: Source) -> Iterator[tuple[_Span, str, str]]:
    for citation in members(source.citations, "citations") or members(source.citations, "citationSources"):
        url = text(citation, "uri")
        start, end = count(citation, "startIndex") + source.base, count(citation, "endIndex") + source.base
        if url and start < end <= len(encoded):
            yield _Span(_characters(encoded, start), _characters(encoded, end)), text(citation, "title") or url, url


def _chunk(chunk: JsonObject) -> tuple[str, str] | None:
    for kind in ("web", "retrievedContext", "maps", "image"):
        fields = member(chunk, kind)
        if url := text(fields, "uri") or text(fields, "sourceUri"):
            return text(fields, "title") or url, url
    return None


def _locate(content: str, encoded: bytes, segment: JsonObject, base: int, after: int) -> _Span | None:
    """Trust the offsets where they fit the text that comes with them; else look for the text."""
    wanted = text(segment, "text")
    start, end = count(segment, "startIndex") + base, count(segment, "endIndex") + base
    if 0 <= start < end <= len(encoded) and (not wanted or encoded[start:end] == wanted.encode()):
        return _Span(_characters(encoded, start), _characters(encoded, end))
    if not wanted:
        return None
    position = content.find(wanted, after)
    if position < 0:
        position = content.find(wanted)
    return None if position < 0 else _Span(position, position + len(wanted))


def _characters(encoded: bytes, offset: int) -> int:
    return len(encoded[:offset].decode("utf-8", "ignore"))
