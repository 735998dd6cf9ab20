"""What is deployed is known: pinned, listed, counted, and looked up."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.processes import ROOT, clean_environment
from tools import audit, bundle, requirements


def pinned() -> set[tuple[str, str]]:
    return {(name, version) for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", requirements.export(), re.MULTILINE)}


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bill")
    subprocess.run([sys.executable, ROOT / "tools" / "bundle.py", folder / "chromagent.zip"], check=True, capture_output=True)
    return folder / "chromagent.cdx.json"


def test_the_bill_of_materials_lists_what_is_installed_with_its_hashes(bill: Path) -> None:
    document = json.loads(bill.read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert {(one["name"], one["version"]) for one in document["components"]} == pinned()
    assert all(one["externalReferences"][0]["hashes"][0]["alg"] == "SHA-256" for one in document["components"])


def test_the_bill_of_materials_names_its_archive_and_is_the_same_every_time(bill: Path) -> None:
    archive = bill.with_name("chromagent.zip").read_bytes()
    assert bundle.bill_of_materials(archive) == bill.read_text()
    assert bundle.bill_of_materials(archive + b"x") != bill.read_text()


def test_the_readme_tells_how_many_dependencies_there_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chosen = len(project["dependencies"]) + len(project["optional-dependencies"]["functions"])
    names = {name for name, _ in pinned()}
    assert f"{len(names)} dependencies, {chosen} of them chosen here" in (ROOT / "README.md").read_text()


GOOD = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("dependencies", "status", "lines"),
    [
        ([GOOD], 0, ["1 dependencies audited, 0 vulnerabilities known"]),
        ([GOOD, BAD], 1, ["b 2: CVE-1", "b 2: CVE-2", "2 dependencies audited, 2 vulnerabilities known"]),
        ([GOOD, SKIPPED], 0, ["NOT AUDITED: c", "1 dependencies audited, 0 vulnerabilities known"]),
        ([SKIPPED], 1, [audit.OUT_OF_REACH, audit.WHAT_TO_DO]),
        ([], 1, [audit.OUT_OF_REACH, audit.WHAT_TO_DO]),
    ],
)
def test_a_known_vulnerability_fails_the_audit(dependencies: list[object], status: int, lines: list[str]) -> None:
    assert audit.judge(json.dumps({"dependencies": dependencies}), offline=False) == (status, lines)


def test_a_known_vulnerability_fails_the_audit_also_where_a_machine_is_said_to_be_offline() -> None:
    assert audit.judge(json.dumps({"dependencies": [BAD]}), offline=True)[0] == 1


@pytest.mark.parametrize(
    ("variables", "status", "lines"),
    [({}, 1, [audit.OUT_OF_REACH, audit.WHAT_TO_DO]), ({"CHROMAGENT_AUDIT_OFFLINE": "1"}, 0, [audit.OUT_OF_REACH])],
)
def test_an_audit_that_could_not_be_made_fails_unless_the_machine_is_said_to_be_offline(
    variables: dict[str, str], status: int, lines: list[str]
) -> None:
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    command = [sys.executable, ROOT / "tools" / "audit.py"]
    told = subprocess.run(
        command, env=clean_environment() | nowhere | variables, capture_output=True, text=True, check=False, timeout=120
    )
    assert (told.returncode, told.stdout.splitlines()) == (status, lines)


# --- what tests and builds install ----------------------------------------------------------------------------------------------

TOOLS = ["tools/uv/requirements.txt", "tools/checkov/requirements.txt"]


@pytest.mark.parametrize("path", TOOLS)
def test_tools_outside_the_lock_are_pinned_with_hashes(path: str) -> None:
    entries = re.split(r"\n(?=\S)", "\n".join(line for line in (ROOT / path).read_text().splitlines() if not line.startswith("#")))
    assert [entry for entry in entries if not re.match(r"[\w.-]+==[\w.]+[^\n]*\\\n +--hash=sha256:[0-9a-f]{64}", entry)] == []


def test_uv_is_installed_in_the_version_of_the_lock_and_by_its_hash() -> None:
    assert (ROOT / "tools" / "uv" / "requirements.txt").read_text() == requirements.uv()
    assert "pip-version-check --require-hashes -r tools/uv/requirements.txt\n" in (ROOT / "Makefile").read_text()
