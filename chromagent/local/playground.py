"""The page at `/` of the local gateway: try a model in a browser. Hides how the page learns this run's key. Never deployed."""

from pathlib import Path
from typing import Final

from chromagent import codec

_PAGE: Final = Path(__file__).with_name("playground.html")
_SETTINGS: Final = '{"key": ""}'


def page(key: str | None, api_key: str | None) -> bytes:
    """Return the page, with the client key and the Google API key of this run filled in."""
    settings = codec.encode_text({"key": key or "", "apiKey": api_key or ""}).replace("<", "\\u003c")
    return _PAGE.read_text(encoding="utf-8").replace(_SETTINGS, settings).encode()
