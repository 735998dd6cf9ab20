"""Media of requests → image and document blocks. Hides data URLs, and that declared types are often wrong.

Source: wire-anthropic §2.4. Vertex AI takes bytes only; remote files come through the guarded fetcher, in `Call.media`.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final, NamedTuple, cast
from urllib.parse import unquote_to_bytes

from chromagent import media_types
from chromagent.codec import JsonObject, JsonValue
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.anthropic.wire import Block
from chromagent.translators.lenient import as_list, as_object, text
from chromagent.translators.protocol import Call

_STANDARD: Final = str.maketrans("-_", "+/", " \t\r\n\f\v")
_PREFIX: Final = 2048
_LONGEST_TITLE: Final = 255
_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_TEXT_TYPES: Final = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_TEXT_NAMES: Final = (
    *(".txt", ".md", ".csv", ".json", ".xml", ".html", ".log", ".yaml", ".yml", ".toml", ".sql"),
    *(".py", ".js", ".ts", ".css", ".java", ".c", ".h", ".go", ".rs", ".sh", ".rb"),
)


class _Data(NamedTuple):
    """Base64 in standard form, and the type that was declared."""

    data: str
    declared: str

    @property
    def start(self) -> bytes:
        """The first bytes."""
        return base64.b64decode(self.data[:_PREFIX])


class MediaReader:
    """Reads the media of one request."""

    def __init__(self, call: Call, *, fetch: bool) -> None:
        self._call = call
        self._fetch = fetch

    def read_image(self, part: JsonObject, place: Place) -> Block:
        """Read an `image_url` part; a bare string is accepted as its URL."""
        value = part.get("image_url")
        here = place.at("image_url")
        url = value if isinstance(value, str) else reading.required(reading.mapping(value, here), "url", reading.text, here)
        there = here.at("url")
        data = self._read_url(url, there)
        if (media_type := _image_type(data.start)) is None:
            raise wrong_value(there, "The image must be a JPEG, PNG, GIF or WebP.", "invalid_image_format")
        return _image(media_type, data.data)

    def read_file(self, part: JsonObject, place: Place) -> Block | None:
        """Read a `file` part; None for an empty text."""
        file = reading.required(part, "file", reading.mapping, place)
        here = place.at("file")
        if file.get("file_id") is not None:
            raise wrong_value(here.at("file_id"), "Files cannot be stored here: send 'file_data'.", "unsupported_parameter")
        there = here.at("file_data")
        name = reading.optional(file, "filename", reading.text, here) or ""
        given = reading.required(file, "file_data", reading.text, here)
        data = self._read_url(given, there) if ":" in given[:8] else _Data(_normalise(given, there), "")
        block = self._document(data, name, there)
        if block is not None and (citations := file.get("citations", part.get("citations"))) is not None:
            given_citations = reading.mapping(citations, here.at("citations"))
            if unknown := given_citations.keys() - {"enabled"}:
                raise wrong_value(here.at("citations", min(unknown)[:64]), "Only 'enabled' can be sent.", "unsupported_parameter")
            block["citations"] = given_citations
        return block

    def _document(self, data: _Data, name: str, place: Place) -> Block | None:
        start = data.start
        if b"%PDF-" in start[:1024]:
            return _titled(
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data.data}}, name
            )
        if (media_type := _image_type(start)) is not None:
            return _image(media_type, data.data)
        if data.declared.startswith(_TEXT_TYPES) or name.lower().endswith(_TEXT_NAMES):
            try:
                content = base64.b64decode(data.data).decode()
            except UnicodeDecodeError as error:
                raise wrong_value(place, "The text file is not UTF-8.", "unsupported_file_type") from error
            if not content.strip():
                return None
            return _titled({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": content}}, name)
        raise wrong_value(place, "The file must be a PDF, a text or an image.", "unsupported_file_type")

    def _read_url(self, url: str, place: Place) -> _Data:
        scheme = url[:8].lower()
        if scheme.startswith("data:"):
            return _read_data_url(url, place)
        if scheme.startswith(("https:", "http:")):
            media = self._call.media.get(url)
            if media is None or not self._fetch:
                raise wrong_value(
                    place, "This gateway takes no media by URL for this model: send it as a data: URL.", "unsupported_value"
                )
            return _Data(base64.b64encode(media.content).decode(), media.content_type)
        raise wrong_value(place, "The URL must be a data: or https: URL.")


def remote_urls(messages: Sequence[JsonObject]) -> dict[str, str]:
    """Find the http(s) URLs among the parts of messages, each with its first place. What is malformed is left to the reader."""
    found: dict[str, str] = {}
    for index, message in enumerate(messages):
        for number, part in enumerate(as_list(message.get("content"))):
            place = Place(("messages", index, "content", number), dotted=True)
            url, where = _address(as_object(part), place)
            if url[:6].lower().startswith(("https:", "http:")):
                found.setdefault(url, str(where))
    return found


def _address(part: JsonObject, place: Place) -> tuple[str, Place]:
    image = part.get("image_url")
    if isinstance(image, str):
        return image, place.at("image_url", "url")
    if url := text(as_object(image), "url"):
        return url, place.at("image_url", "url")
    return text(as_object(part.get("file")), "file_data"), place.at("file", "file_data")


def _read_data_url(url: str, place: Place) -> _Data:
    header, comma, payload = url[5:].partition(",")
    declared, *flags = header.split(";")
    if not comma or not payload:
        raise wrong_value(place, "The data: URL holds nothing.", "invalid_base64")
    if any(flag.strip().lower() == "base64" for flag in flags):
        return _Data(_normalise(payload, place), declared.strip().lower())
    return _Data(base64.b64encode(unquote_to_bytes(payload)).decode(), declared.strip().lower())


def _normalise(payload: str, place: Place) -> str:
    """Return standard padded base64 of any dialect."""
    if "-" in payload or "_" in payload or len(payload) % 4 or any(space in payload for space in " \n\r\t"):
        payload = payload.translate(_STANDARD).rstrip("=")
        payload += "=" * (-len(payload) % 4)
    try:
        binascii.a2b_base64(payload, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise wrong_value(place, f"'{place}' does not hold valid base64 data.", "invalid_base64") from error
    return payload


def _image_type(start: bytes) -> str | None:
    media_type = media_types.sniff(start)
    return media_type if media_type in _IMAGES else None


def _image(media_type: str, data: str) -> Block:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _titled(block: Block, name: str) -> Block:
    title = "".join(letter for letter in name if letter.isprintable())[:_LONGEST_TITLE]
    return cast("Block", {**block, "title": title}) if title else block


def unsupported(kind: JsonValue, place: Place) -> Exception:
    """Complain about a kind of content that Claude does not take."""
    if kind == "input_audio":
        return wrong_value(place.at("type"), "Claude does not take audio.", "unsupported_value")
    return wrong_value(place.at("type"), f"'{str(kind)[:50]}' is not a type of content that this model takes.")
