"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
import sys

import pytest

from chromagent import errors
from chromagent.config import Settings
from chromagent.local.vertex.scenarios import SCENARIOS
from chromagent.providers import registry
from tests.support.processes import ROOT, clean_environment


def test_the_entry_point_knows_the_framework_and_the_app_only() -> None:
    tree = ast.parse((ROOT / "functions" / "main.py").read_text())
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"gc", "typing", "functions_framework.aio", "starlette.requests", "starlette.responses", "chromagent.app"}
    assert len((ROOT / "functions" / "main.py").read_text().splitlines()) <= 32


def test_a_cold_start_imports_nothing_that_it_does_not_need() -> None:
    command = "import chromagent.app, sys; print(chr(10).join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    loaded = set(result.stdout.split())
    unwanted = {
        "openai",
        "httpx",
        "grpc",
        "google.cloud.secretmanager",
        "aiohttp",
        "uvicorn",
        "pytest",
        "chromagent.local",
        "google.auth.compute_engine",
    }
    assert loaded & unwanted == set()


def test_every_command_of_the_readme_is_a_target_of_the_makefile() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = set(re.findall(r"^make ([a-z-]+)", readme, re.MULTILINE))
    assert used
    assert used <= targets


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("provider", sorted(registry.OPTIONS))
def test_every_switch_of_a_wire_format_is_documented(provider: str) -> None:
    page = (ROOT / "docs" / "options.md").read_text()
    section = page.split(f"## {provider}", 1)[1].split("\n## ", 1)[0]
    assert [*registry.OPTIONS[provider].__struct_fields__] == re.findall(r"^\| `(\w+)`", section, re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/configuration.md"])
def test_every_setting_is_documented(page: str) -> None:
    text = (ROOT / page).read_text()
    assert [name for name in Settings.__struct_fields__ if not re.search(rf"^\| `{name}` \| \S", text, re.MULTILINE)] == []


@pytest.mark.parametrize("page", ["README.md", "docs/errors.md"])
def test_every_error_is_documented(page: str) -> None:
    text = (ROOT / page).read_text()
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GatewayError) and kind.when
    ]
    assert [kind.default_code for kind in kinds if f"| {kind.status} | `{kind.type}` | `{kind.default_code}` |" not in text] == []


def test_the_tables_of_the_documentation_are_what_the_code_says() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "docs.py", "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_failure_on_request_is_documented() -> None:
    page = (ROOT / "docs" / "simulated-vertex.md").read_text()
    assert re.findall(r"^\| `simulate: ([\w-]+)", page, re.MULTILINE) == list(SCENARIOS)


def test_nothing_speaks_of_how_it_was_made() -> None:
    own = (ROOT / "tests" / "house" / "test_house.py").resolve()
    words = ("/work" + "/main", "/root" + "/", "pypi.org" + "/simple")
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "chromagent").rglob("*.py"),
        *(ROOT / "tests").rglob("*.py"),
    ]:
        if path.resolve() != own:
            assert not any(word in path.read_text() for word in words), path
