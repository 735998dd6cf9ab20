"""Which models a key may use: shell-style patterns against the name that a client sends.

A pattern is compared with the model, not with its spelling: `gemini-*` allows `gemini-3.8-flash`, `google/gemini-3.8-flash` and
`models/gemini-3.8-flash`. Each `*` stays within its segment: to let a key choose a backend (`BACKEND/MODEL`), its pattern must
name one, as `BACKEND/gemini-*` does, or stand for any, as `*/gemini-*` does. A vendor in a pattern is that of the model: `google/*`
allows all models of Google's. `*` alone allows everything. Upper and lower case, and a version after `@`, count as written.
"""

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from chromagent.catalog import OWNERS, family_of

_SPELLINGS: Final = {
    "vertex_ai/": "",
    "vertex/": "",
    "gemini/": "",
    "publishers/google/models/": "google",
    "publishers/anthropic/models/": "anthropic",
    "google/": "google",
    "anthropic/": "anthropic",
    "models/": "google",
}
"""What may stand before a model, and whose models those are."""


class _Name(NamedTuple):
    model: str
    backend: str = ""
    vendor: str = ""


def allows(patterns: Collection[str], model: str, backends: Collection[str], *, mapped: bool) -> bool:
    """Say whether one of the patterns matches a model, as a client spells it.

    `backends` are the names of the enabled ones. `mapped` says that the model is a public id of `model_mapping`: then it is
    compared as it is, as it is no spelling of another model.
    """
    if "*" in patterns:
        return True
    if mapped:
        return any(_matches(model, pattern) for pattern in patterns)
    asked = _read(model, backends)
    family = family_of(model.removeprefix(f"{asked.backend}/"))
    vendor = OWNERS[family] if family else ""
    for pattern in patterns:
        wanted = _read(pattern, backends, is_pattern=True)
        right_backend = _matches(asked.backend, wanted.backend)
        if right_backend and wanted.vendor in ("", vendor) and _matches(asked.model, wanted.model):
            return True
    return False


def _read(name: str, backends: Collection[str], *, is_pattern: bool = False) -> _Name:
    """Take a name or a pattern apart, as routing does: a backend first, then what vendors and platforms write before a model."""
    head, slash, rest = name.partition("/")
    backend = head if slash and (head in backends or (is_pattern and "*" in head)) else ""
    model, vendor = rest if backend else name, ""
    if full := _full(model):
        model = full
    for _ in _SPELLINGS:
        prefix = next((prefix for prefix in _SPELLINGS if model.startswith(prefix)), None)
        if prefix is None:
            break
        model, vendor = model.removeprefix(prefix), vendor or _SPELLINGS[prefix]
    return _Name(model, backend, vendor)


def _full(name: str) -> str:
    """Return what follows `projects/P/locations/L/`; routing refuses projects that are not the gateway's."""
    steps = name.split("/", 4)
    return steps[4] if len(steps) == 5 and (steps[0], steps[2]) == ("projects", "locations") else ""


def _matches(name: str, pattern: str) -> bool:
    """Compare segment by segment."""
    names, patterns = name.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))
