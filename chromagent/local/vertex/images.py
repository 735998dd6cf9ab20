"""What can be seen of media without looking inside: kind and size, from the first bytes."""

import base64
import binascii
import struct


def describe(data: str, media_type: str) -> str:
    """Describe base64 media, such as `a PNG image of 64x64 pixels`. Raises ValueError for what is no base64."""
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    kind = kind_of(content)
    if kind is None:
        return f"a file of type {media_type} with {len(content)} bytes"
    if kind == "PDF":
        return f"a PDF document with {max(1, content.count(b'/Type /Page') + content.count(b'/Type/Page'))} page(s)"
    size = size_of(content, kind)
    return f"a {kind} image" + (f" of {size[0]}x{size[1]} pixels" if size else "")


def kind_of(content: bytes) -> str | None:
    """Tell the format by its magic bytes."""
    for magic, kind in ((b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"%PDF-", "PDF")):
        if content.startswith(magic):
            return kind
    return "WebP" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None


def size_of(content: bytes, kind: str) -> tuple[int, int] | None:
    """Read width and height from the header."""
    try:
        if kind == "PNG":
            return struct.unpack(">II", content[16:24])
        if kind == "GIF":
            return struct.unpack("<HH", content[6:10])
        if kind == "WebP":
            return _webp_size(content)
        return _jpeg_size(content)
    except (struct.error, IndexError):
        return None


def _webp_size(content: bytes) -> tuple[int, int] | None:
    if content[12:16] == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if content[12:16] == b"VP8 ":
        width, height = struct.unpack("<HH", content[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 < len(content):
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[position + 5 : position + 9])
            return width, height
        position += 2 + length
    return None
