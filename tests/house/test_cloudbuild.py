"""cloudbuild.yaml: its form, what its steps run, and the smoke test that it ends with."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chromagent.local import keys
from tests.support import processes
from tests.support.processes import ROOT, Server

BUILD: dict[str, Any] = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())
STEPS: Mapping[str, Any] = {step["id"]: step for step in BUILD["steps"]}
SCRIPTS = {name: step["script"] for name, step in STEPS.items() if "script" in step}
GIVEN_BY_GOOGLE = {"PROJECT_ID"}
SMOKE = ROOT / "terraform" / "scripts" / "smoke.sh"


def before(name: str) -> set[str]:
    """Every step that is done when this one begins."""
    direct = [waited for waited in STEPS[name]["waitFor"] if waited != "-"]
    return set(direct).union(*(before(waited) for waited in direct))


# --- its form -------------------------------------------------------------------------------------------------------------------


def test_ids_are_unique() -> None:
    ids = [step["id"] for step in BUILD["steps"]]
    assert len(set(ids)) == len(ids)


def test_every_step_waits_for_steps_above_it() -> None:
    ids = list(STEPS)
    assert [name for name, step in STEPS.items() if not set(step["waitFor"]) <= {"-", *ids[: ids.index(name)]}] == []


def test_nothing_is_applied_that_was_not_tested_and_planned() -> None:
    assert before("apply") == {"terraform", "test", "bundle", "init", "validate", "plan"}
    assert "apply" in before("smoke")


def test_it_runs_as_an_identity_of_its_own() -> None:
    assert BUILD["serviceAccount"].startswith("projects/$PROJECT_ID/serviceAccounts/")
    assert BUILD["options"]["logging"] == "CLOUD_LOGGING_ONLY"


def test_every_step_ends_at_some_time_and_before_the_whole_build() -> None:
    whole = int(BUILD["timeout"].removesuffix("s"))
    assert all(int(step["timeout"].removesuffix("s")) <= whole for step in STEPS.values())


def test_every_substitution_has_a_default_and_is_used() -> None:
    text = json.dumps({key: value for key, value in BUILD.items() if key != "substitutions"})
    defaults = json.dumps(list(BUILD["substitutions"].values()))
    used = set(re.findall(r"\$\{?(_[A-Z_]+)", text + defaults))
    assert used == set(BUILD["substitutions"])
    assert set(re.findall(r"\$\{?([A-Z][A-Z_]*)", defaults)) <= GIVEN_BY_GOOGLE


def test_a_build_that_says_nothing_changes_nothing() -> None:
    assert BUILD["substitutions"]["_APPLY"] == "false"


def test_no_secret_is_written_down() -> None:
    text = (ROOT / "cloudbuild.yaml").read_text() + SMOKE.read_text()
    assert re.findall(r"sk-cg-\w{6}|AIza\w{8}|PRIVATE KEY|ya29\.|eyJ\w{8}", text) == []


# --- what its steps run ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_bash_that_stops_at_its_first_fault(name: str) -> None:
    assert SCRIPTS[name].startswith("#!/usr/bin/env bash\nset -euo pipefail\n")
    subprocess.run(["bash", "-n"], input=SCRIPTS[name], check=True, text=True)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_reads_only_variables_that_it_is_given(name: str) -> None:
    """Cloud Build substitutes nothing in scripts: what is not in `env` is not there."""
    given = {variable.partition("=")[0] for variable in STEPS[name].get("env", [])}
    own = set(re.findall(r"\b([A-Z_]+)=", SCRIPTS[name])) | {"PATH"}
    assert set(re.findall(r"\$\{?([A-Z_]+)", SCRIPTS[name])) <= given | own
    assert "$_" not in SCRIPTS[name]


def test_what_scripts_call_is_there() -> None:
    text = "\n".join(SCRIPTS.values())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert called == {"test", "bundle"}
    assert called <= targets
    files = re.findall(r"\b(?:terraform|tools)/[\w/]+\.(?:sh|py)\b", text)
    assert files == ["terraform/scripts/smoke.sh"]
    assert all((ROOT / file).is_file() for file in files)


NOTING = """#!/bin/sh
echo "${0##*/} $*" >>"$NOTED"
case "$*" in *"output -raw base_url"*) echo https://llm.example.com/v1 ;; esac
"""


def run_step(name: str, folder: Path, **environment: str) -> list[str]:
    """Run a step's script where terraform, gcloud and the smoke test only note how they were called."""
    workspace, tools, noted = folder / "workspace", folder / "tools", folder / "noted"
    for tool in (tools / "terraform", tools / "gcloud", workspace / "terraform" / "scripts" / "smoke.sh"):
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text(NOTING)
        tool.chmod(0o755)
    noted.write_text("")
    variables = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "NOTED": str(noted), **environment}
    script = SCRIPTS[name].replace("/tools/", f"{tools}/")
    subprocess.run(["bash"], input=script, cwd=workspace, env=variables, check=True, text=True, capture_output=True)
    return noted.read_text().splitlines()


def test_init_names_the_bucket_of_the_state(tmp_path: Path) -> None:
    called = run_step("init", tmp_path, STATE_BUCKET="my-state", STATE_PREFIX="chromagent")
    assert called == ["terraform init -backend-config=bucket=my-state -backend-config=prefix=chromagent"]
    assert (tmp_path / "workspace" / "terraform" / "backend.tf").read_text() == 'terraform {\n  backend "gcs" {}\n}\n'


def test_a_plan_takes_a_file_of_variables_where_one_is_named(tmp_path: Path) -> None:
    plain = run_step("plan", tmp_path, PROJECT="p", REGION="r", VAR_FILE="")
    assert plain == ["terraform plan -lock=false -out=build.tfplan -var project_id=p -var region=r"]
    [called] = run_step("plan", tmp_path, PROJECT="p", REGION="r", VAR_FILE="production.tfvars")
    assert called.endswith("-var region=r -var-file production.tfvars")


def test_only_an_approved_build_applies_and_it_applies_its_own_plan(tmp_path: Path) -> None:
    assert run_step("apply", tmp_path, APPLY="false") == []
    assert run_step("apply", tmp_path, APPLY="true") == ["terraform apply build.tfplan"]


def test_the_smoke_test_asks_the_deployed_url(tmp_path: Path) -> None:
    nothing = {"SECRET": "", "API_SECRET": "", "PROJECT": "p"}
    assert run_step("smoke", tmp_path, APPLY="false", **nothing) == []
    assert run_step("smoke", tmp_path, APPLY="true", **nothing)[-1] == "smoke.sh https://llm.example.com/v1"
    with_key = run_step("smoke", tmp_path, APPLY="true", SECRET="smoke-key", API_SECRET="", PROJECT="p")
    assert with_key[0] == "gcloud secrets versions access latest --project=p --secret=smoke-key"


# --- the smoke test -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A function over the simulated Vertex, and a key for it."""
    folder = tmp_path_factory.mktemp("deployed")
    key, record = keys.issue("smoke")
    (folder / "keys.json").write_text(json.dumps({"keys": [record]}))
    with processes.simulated_vertex(folder / "vertex.log") as vertex:
        backend = {"base_url": vertex.url, "auth": "none", "project": "p"}
        document = {
            "client_keys": f"file:{folder / 'keys.json'}",
            "backends": {"vertex-gemini": backend, "vertex-anthropic": backend},
        }
        with processes.function("chat_completions", document, folder / "function.log") as server:
            yield server, key


def smoke(url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = processes.clean_environment() | {"ATTEMPTS": "1", "PAUSE": "1", "no_proxy": "*"} | environment
    return subprocess.run(["bash", SMOKE, f"{url}/v1"], env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_a_deployment_that_works_passes(deployed: tuple[Server, str]) -> None:
    server, key = deployed
    done = smoke(server.url, CHROMAGENT_KEY=key)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "all well")
    assert key not in done.stdout + done.stderr


def test_without_a_key_it_only_asks_for_health(deployed: tuple[Server, str]) -> None:
    done = smoke(deployed[0].url)
    assert done.returncode == 0
    assert "were not tried" in done.stdout


def test_a_key_that_is_refused_fails_it(deployed: tuple[Server, str]) -> None:
    done = smoke(deployed[0].url, CHROMAGENT_KEY=deployed[1][:-1] + "!")
    assert done.returncode != 0
    assert "401" in done.stderr


def test_nobody_there_fails_it() -> None:
    assert smoke(f"http://127.0.0.1:{processes.free_port()}").returncode != 0
