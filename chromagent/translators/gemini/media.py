"""Media of requests → `inlineData` and `fileData`. Hides data URLs, base64 dialects, types told and types sniffed.

Source: wire-gemini §2.3. Large payloads are not decoded: alphabet and padding are checked in place, types are sniffed on a prefix.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Final, cast
from urllib.parse import unquote_to_bytes, urlsplit

from chromagent import media_types
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.gemini.allow_list import Resources
from chromagent.translators.gemini.wire import Part
from chromagent.translators.protocol import Call

_EXTENSIONS: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "bmp": "image/bmp",
    "pdf": "application/pdf",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "m4a": "audio/m4a",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aiff": "audio/aiff",
    "mp4": "video/mp4",
    "mov": "video/mov",
    "webm": "video/webm",
    "mpeg": "video/mpeg",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    **dict.fromkeys(("txt", "md", "csv", "html", "log", "py", "js", "ts", "css", "java", "c", "go", "rs", "sh"), "text/plain"),
    **dict.fromkeys(("json", "xml", "yaml", "yml", "toml", "sql"), "text/plain"),
}
_OFFICE: Final = ("application/vnd.openxmlformats", "application/vnd.oasis", "application/vnd.ms-", "application/msword")
_BUCKET_URL: Final = re.compile(
    r"gs://(?P<bucket>[a-z0-9](?:[a-z0-9._-]{0,220}[a-z0-9])?)"
    r"(?:/(?!\.{1,2}(?:/|\Z))[^/\\%?#*\[\]]+)+"
)
"""What the upstream reads in one way only: the bucket that is compared to the allow-list is the bucket that is read."""
_MAX_OBJECT_NAME: Final = 1024
"""Bytes in the name of a Cloud Storage object."""
_WEB_URL: Final = re.compile(
    r"https?://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*)\.?(?::\d{1,5})?(?P<path>[/?#].*)?", re.IGNORECASE | re.ASCII | re.DOTALL
)
_APIS: Final = "googleapis.com"
_FILES: Final = "https://generativelanguage.googleapis.com/v1beta/files/"
_FILE_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")
_YOUTUBE: Final = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})
_STANDARD: Final = str.maketrans("-_", "+/", " \t\r\n\f\v")


class MediaReader:
    """Reads the media of one request."""

    def __init__(self, call: Call, *, http_media: str, developer: bool) -> None:
        self._call = call
        self._http_media = http_media
        self._developer = developer

    def read_url(self, url: str, place: Place, *, assumed: str | None, told: str | None = None) -> Part:
        """Read an address. `assumed` is the type where nothing tells it (None: that is an error); `told` what the client says."""
        scheme = url[:8].lower()
        if scheme.startswith("data:"):
            return self._read_data_url(url, place, assumed)
        if scheme.startswith("gs://"):
            return self._read_bucket(url, place, told or _type_of_name(url) or assumed)
        if scheme.startswith(("https:", "http:")):
            return self._read_web(url, place, told or _type_of_address(url) or assumed)
        raise wrong_value(place, "The URL must be a data:, https: or gs: URL.")

    def read_file(self, file: JsonObject, place: Place) -> Part:
        """Read a `file` part: exactly one of `file_data` and `file_id`."""
        data, identifier, name = file.get("file_data"), file.get("file_id"), str(file.get("filename") or "")
        if (data is None) == (identifier is None):
            raise wrong_value(place, "A file needs either 'file_data' or 'file_id'.")
        told = _type_of_name(name)
        if identifier is not None:
            return self._read_identifier(str(identifier), place.at("file_id"), told)
        here = place.at("file_data")
        if not isinstance(data, str):
            raise wrong_value(here, "'file_data' must be a string.", "invalid_type")
        if ":" in data[:8]:
            return self.read_url(data, here, assumed=told, told=told)
        return _document(told or media_types.sniff(_decode_prefix(data)), normalise_base64(data, here), here)

    def read_audio(self, audio: JsonObject, place: Place) -> Part:
        """Read an `input_audio` part."""
        form = audio.get("format")
        if form not in ("wav", "mp3", "flac", "ogg", "aac", "aiff", "m4a"):
            raise wrong_value(place.at("format"), "The audio format is not supported.")
        data = str(audio.get("data") or "")
        if data.startswith("data:"):
            data = data.partition(",")[2]
        return {"inlineData": {"mimeType": f"audio/{form}", "data": normalise_base64(data, place.at("data"))}}

    def _read_data_url(self, url: str, place: Place, assumed: str | None) -> Part:
        header, comma, payload = url[5:].partition(",")
        media_type, *flags = header.split(";")
        media_type = media_type.strip().lower()
        if not comma or not payload:
            raise _bad_base64(place)
        if "base64" in (flag.strip().lower() for flag in flags):
            data = normalise_base64(payload, place)
        else:
            data = base64.b64encode(unquote_to_bytes(payload)).decode()
        if media_type in ("", "application/octet-stream"):
            media_type = media_types.sniff(_decode_prefix(data)) or assumed or ""
        return _document(media_type, data, place)

    def _read_bucket(self, url: str, place: Place, media_type: str | None) -> Part:
        if self._developer:
            raise wrong_value(place, "The Gemini Developer API cannot read gs: URLs.", "unsupported_value")
        found = _BUCKET_URL.fullmatch(url)
        if found is None or not url.isprintable() or len(url[found.end("bucket") + 1 :].encode()) > _MAX_OBJECT_NAME:
            message = "The URL must be gs://bucket/object, with no '..', '//', '%', '?', '#', '*' or unusual characters in it."
            raise wrong_value(place, message, "invalid_value")
        if found["bucket"] not in self._call.gcs_buckets:
            raise wrong_value(place, "This gateway may not read that Cloud Storage bucket for you.", "unsupported_value")
        return _file(url, media_type, place)

    def _read_web(self, url: str, place: Place, media_type: str | None) -> Part:
        if self._http_media == "reject":
            raise wrong_value(place, "This gateway does not take media by URL.", "unsupported_value")
        if self._http_media == "fetch" and (media := self._call.media.get(url)) is not None:
            return _document(media.content_type, base64.b64encode(media.content).decode(), place)
        self._check_host(url, place)
        return _file(url, media_type, place)

    def _check_host(self, url: str, place: Place) -> None:
        """Refuse addresses of Google's APIs, where the upstream could use the gateway's rights."""
        found = _WEB_URL.fullmatch(url)
        if found is None:
            raise wrong_value(place, "The URL must be https://host/path with a plain ASCII host name and no user name.")
        host = found["host"].lower()
        if (host == _APIS or host.endswith(f".{_APIS}")) and host != f"storage.{_APIS}":
            if self._developer and url.startswith(_FILES):
                self._check_file(url.removeprefix(_FILES), place)
                return
            raise wrong_value(place, "Addresses of Google's APIs cannot be media.", "unsupported_value")

    def _check_file(self, name: str, place: Place) -> None:
        """A file of the Files API belongs to the gateway's key: whichever client uploaded it, all could read it."""
        if not _FILE_NAME.fullmatch(name) or not Resources("", self._call.allowed_resources).allows(f"files/{name}"):
            message = "This key may not use that file. The operator can allow it with 'allowed_resources'."
            raise wrong_value(place, message, "unsupported_value")

    def _read_identifier(self, identifier: str, place: Place, told: str | None) -> Part:
        if self._developer and identifier.startswith("files/"):
            self._check_file(name := identifier.removeprefix("files/"), place)
            return _file(f"{_FILES}{name}", told or "application/pdf", place)
        if identifier.startswith(("gs://", "https://")):
            return self.read_url(identifier, place, assumed=None, told=told)
        raise wrong_value(place, "This gateway stores no files: send the content in 'file_data'.", "unsupported_value")


def normalise_base64(text: str, place: Place) -> str:
    """Return standard padded base64 of any dialect: URL-safe letters, white space and missing padding are mended.

    Raises `InvalidRequest` with the code `invalid_base64`.
    """
    if "-" in text or "_" in text or len(text) % 4 or not text.isascii() or any(space in text for space in " \n\r\t"):
        text = text.translate(_STANDARD).rstrip("=")
        text += "=" * (-len(text) % 4)
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise _bad_base64(place) from error
    if not text:
        raise _bad_base64(place)
    return text


def _document(media_type: str | None, data: str, place: Place) -> Part:
    """Make inline data; text of any kind goes as plain text, the only kind that Gemini takes."""
    if not media_type:
        raise wrong_value(place, "The type of the file cannot be told.", "invalid_value")
    media_type = "image/jpeg" if media_type == "image/jpg" else media_type
    if _is_text(media_type):
        try:
            base64.b64decode(data).decode()
        except UnicodeDecodeError as error:
            raise wrong_value(place, "The text file is not UTF-8.") from error
        media_type = "text/plain"
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _is_text(media_type: str) -> bool:
    if media_type.startswith(("image/", "audio/", "video/")) or media_type == "application/pdf":
        return False
    return not media_type.startswith(_OFFICE)


def _file(url: str, media_type: str | None, place: Place) -> Part:
    if not media_type:
        raise wrong_value(place, "The type of the file cannot be told from its name.", "unknown_media_type")
    return {"fileData": {"mimeType": media_type, "fileUri": url}}


def _type_of_name(name: str) -> str | None:
    return _EXTENSIONS.get(name.rsplit(".", 1)[-1].lower()) if "." in name else None


def _type_of_address(url: str) -> str | None:
    parts = urlsplit(url)
    return "video/mp4" if parts.hostname in _YOUTUBE else _type_of_name(parts.path.rsplit("/", 1)[-1])


def _decode_prefix(data: str) -> bytes:
    start = data[: media_types.SNIFF_BYTES // 3 * 4].translate(_STANDARD)
    try:
        return base64.b64decode(start[: len(start) // 4 * 4])
    except binascii.Error:
        return b""


def _bad_base64(place: Place) -> InvalidRequest:
    return wrong_value(place, f"'{place}' does not hold valid base64 data.", "invalid_base64")


def remote_urls(messages: Sequence[JsonObject]) -> dict[str, str]:
    """Find the http(s) URLs among the parts of messages, each with its first place. What is malformed is left to the reader."""
    found: dict[str, str] = {}
    for index, message in enumerate(messages):
        content = message.get("content")
        for number, part in enumerate(cast("list[JsonValue]", content) if isinstance(content, list) else []):
            if isinstance(part, dict):
                url, where = _address(cast("JsonObject", part), Place(("messages", index, "content", number)))
                if url[:6].lower().startswith(("https:", "http:")):
                    found.setdefault(url, str(where))
    return found


def _address(part: JsonObject, place: Place) -> tuple[str, Place]:
    for kind, member in (("image_url", "url"), ("video_url", "url"), ("file", "file_data"), ("file", "file_id")):
        value = part.get(kind)
        value = cast("JsonObject", value).get(member) if isinstance(value, dict) else value
        if isinstance(value, str):
            return value, place.at(kind, member)
    return "", place
