"""The gateway as it is deployed, for clients that mean harm."""

import json
from collections.abc import Callable, Iterator

import pytest

from chromagent.local import keys
from tests.support import faulty_upstream, processes
from tests.support.apps import BACKEND
from tests.support.faulty_upstream import LAST_CHUNK, Moment, Step, chunk, chunked_head, events
from tests.support.fuzzing import Tally
from tests.support.raw_client import Place

LIMIT = 2_000_000
"""Bytes of the largest body that this gateway takes."""


def slowly(m: Moment) -> list[Step]:
    """A stream that takes about 60 ms."""
    first, *others = events(m)
    return [
        chunked_head(m),
        chunk(first),
        *[step for _ in range(10) for step in (0.005, chunk(b": \n\n"))],
        *map(chunk, others),
        LAST_CHUNK,
    ]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("hostile")
    (key, record), (other_key, other_record) = keys.issue("one"), keys.issue("other")
    (folder / "keys.json").write_text(json.dumps({"keys": [record, other_record]}))
    with faulty_upstream.serving({"slowly": slowly}) as upstream:
        backend = {**BACKEND, "base_url": upstream.url}
        configuration = {
            "client_keys": f"file:{folder / 'keys.json'}",
            "max_body_bytes": LIMIT,
            "backends": {"vertex-gemini": backend, "vertex-anthropic": backend},
        }
        with processes.function("chat_completions", configuration, folder / "gateway.log") as server:
            yield Place(server, upstream, key, other_key)
        assert "Traceback" not in (folder / "gateway.log").read_text()
        assert '"internal_error"' not in (folder / "gateway.log").read_text()


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """Counts examples; told when the test is over."""
    counting = Tally(record_property)
    yield counting
    counting.tell()
