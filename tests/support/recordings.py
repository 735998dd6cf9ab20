"""The recorded upstream exchanges, found through one environment variable, and an independent reading of them."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "CHROMAGENT_TEST_RECORDINGS"


@dataclass(frozen=True)
class Recording:
    """One exchange."""

    case: str
    provider: str
    model: str | None
    stream: bool
    status: int
    framing: str
    covers: tuple[str, ...]
    folder: Path = field(repr=False)

    @property
    def id(self) -> str:
        return self.case

    @cached_property
    def body(self) -> bytes:
        """The body of the answer as it was recorded."""
        names = ["error.json"] if self.status >= 300 else ["response.sse", "response.json"]
        return next((self.folder / name).read_bytes() for name in names if (self.folder / name).exists())

    @cached_property
    def documents(self) -> list[dict[str, Any]]:
        """The JSON documents of the answer in order, read without any code of the product."""
        if self.framing == "sse":
            return [document for document in map(_document, _blocks(self.body)) if document is not None]
        content = json.loads(self.body)
        return content if isinstance(content, list) else [content]


def _blocks(body: bytes) -> Iterator[str]:
    yield from body.decode().replace("\r\n", "\n").split("\n\n")


def _document(block: str) -> dict[str, Any] | None:
    data = "\n".join(line[5:].strip() for line in block.split("\n") if line.startswith("data:"))
    return json.loads(data) if data and data != "[DONE]" else None


def root() -> Path | None:
    """Return the folder of recordings, or None where it is not set up."""
    folder = os.environ.get(VARIABLE)
    return Path(folder) if folder and (Path(folder) / "index.json").is_file() else None


def load(provider: str | None = None) -> list[Recording]:
    """Return the recordings of one wire format, or all; none where the folder is absent."""
    folder = root()
    if folder is None:
        return []
    rows = json.loads((folder / "index.json").read_text())
    found = [
        Recording(
            row["case"],
            row["case"].partition("/")[0],
            row["model"],
            row["stream"],
            row["status"],
            row["framing"],
            tuple(row["covers"]),
            folder / row["case"],
        )
        for row in rows
    ]
    return [recording for recording in found if provider in (None, recording.provider)]


def parameters(recordings: list[Recording]) -> list[Any]:
    """Make test parameters; one skipped with the reason where the folder is absent."""
    if recordings:
        return [pytest.param(recording, id=recording.case) for recording in recordings]
    reason = f"no recordings: {VARIABLE} does not name their folder"
    return [pytest.param(None, id="no-recordings", marks=pytest.mark.skip(reason=reason))]
