"""docs/security.md claims nothing that no test holds."""

import ast
import importlib.util
import re

import pytest

from chromagent import config
from chromagent.policy import routing
from chromagent.providers import workarounds
from chromagent.upstream import pool, remote_files
from tests.support.processes import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
KEPT = PAGE.partition("## What lives longer than a request")[2].partition("## ")[0]
CLAIMS = [
    line
    for line in PAGE.replace(KEPT, "").splitlines()
    if line.startswith("| ") and not line.startswith(("| threat ", "| a client may name "))
]
MODULES = sorted(set(re.findall(r"`(chromagent\.[\w.]+)`", KEPT)))
CACHES = {"cache", "lru_cache", "TTLCache", "LRUCache", "OrderedDict"}
DEFAULTS = config.read({})
NAMES = sorted(set(re.findall(r"`(tests/[\w./:-]+)`", PAGE)))


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_names_a_test(claim: str) -> None:
    assert len(claim.split(" | ")) in (3, 4)
    assert re.search(r"`tests/[\w/.-]+", claim.rsplit(" | ", 1)[1])


@pytest.mark.parametrize("name", NAMES)
def test_every_test_that_is_named_exists(name: str) -> None:
    path, _, function = name.partition("::")
    text = (ROOT / path).read_text()
    assert not function or re.search(rf"^(async )?def {function}\(", text, re.MULTILINE)


def keeps_something(tree: ast.Module) -> bool:
    """Whether a module makes a cache of some library: by a decorator, or by calling its class."""
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    decorating = [one for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for one in node.decorator_list]
    used = [one.value if isinstance(one, ast.Subscript) else one for one in (*called, *decorating)]
    return any(isinstance(one, ast.Name) and one.id in CACHES for one in used)


def test_every_module_that_keeps_something_is_listed() -> None:
    keeping = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "chromagent").rglob("*.py")
        if "local" not in path.parts and keeps_something(ast.parse(path.read_text()))
    }
    assert keeping <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_that_is_listed_exists(name: str) -> None:
    assert importlib.util.find_spec(name) is not None


@pytest.mark.parametrize(
    ("module", "bound"),
    [
        ("chromagent.providers.workarounds", f"{workarounds.MAX_MODELS} models with {workarounds.MAX_WORKAROUNDS} each"),
        ("chromagent.policy.routing", f"{routing.MAX_COOLDOWNS:,}, "),
        ("chromagent.policy.routing", f"{routing.MOST_KNOWN} each"),
        ("chromagent.upstream.remote_files", f"{remote_files.MAX_BYTES // 2**20} MiB"),
        ("chromagent.upstream.pool", f"{pool.MOST_KEPT} connections"),
        ("chromagent.providers.reasoning_state", f"{DEFAULTS.reasoning_cache_bytes // 2**20} MiB"),
        ("chromagent.policy.response_cache", f"{DEFAULTS.cache.max_bytes // 2**20} MiB"),
    ],
)
def test_the_bounds_are_those_of_the_code(module: str, bound: str) -> None:
    assert any(bound in line for line in KEPT.splitlines() if f"`{module}`" in line)


def test_there_are_claims() -> None:
    assert len(CLAIMS) > 30
    assert len(NAMES) > 40
