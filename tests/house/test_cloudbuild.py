"""The builds: who they run as, what their steps run, that what is applied is what was approved; and the smoke test by hand."""

import hashlib
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chromagent.local import keys
from tests.support import processes
from tests.support.processes import ROOT, Server

FILES = ("cloudbuild.yaml", "cloudbuild.plan.yaml")
BUILDS: dict[str, dict[str, Any]] = {name: yaml.safe_load((ROOT / name).read_text()) for name in FILES}
STEPS: dict[str, dict[str, Any]] = {step["id"]: step for build in BUILDS.values() for step in build["steps"]}
BOOTSTRAP = ROOT / "terraform" / "bootstrap"
SCRIPTS = {name: step["script"] for name, step in STEPS.items() if "script" in step}
APPLYING = {name: (BOOTSTRAP / "steps" / f"{name}.sh").read_text() for name in ("fetch", "apply")}
GIVEN_BY_GOOGLE = {"PROJECT_ID"}
SMOKE = ROOT / "terraform" / "scripts" / "smoke.sh"


# --- their form -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_every_step_waits_for_steps_above_it(name: str) -> None:
    ids = [step["id"] for step in BUILDS[name]["steps"]]
    assert len(set(ids)) == len(ids)
    for place, step in enumerate(BUILDS[name]["steps"]):
        assert set(step["waitFor"]) <= {"-", *ids[:place]}


def test_what_runs_pushed_code_has_another_identity_than_what_plans() -> None:
    assert {name: build["substitutions"]["_SERVICE_ACCOUNT"].partition("@")[0] for name, build in BUILDS.items()} == {
        "cloudbuild.yaml": "chromagent-test",
        "cloudbuild.plan.yaml": "chromagent-plan",
    }
    for build in BUILDS.values():
        assert build["serviceAccount"] == "projects/$PROJECT_ID/serviceAccounts/$_SERVICE_ACCOUNT"
        assert build["options"]["logging"] == "CLOUD_LOGGING_ONLY"


def test_nothing_that_is_pushed_applies_anything_and_what_plans_installs_no_packages() -> None:
    assert not any(re.search(r"terraform\S* apply", script) for script in SCRIPTS.values())
    planning = " ".join(step["script"] for step in BUILDS["cloudbuild.plan.yaml"]["steps"] if "script" in step)
    assert re.findall(r"\b(?:make|pip|uv|python\S*|apt-get|npm|curl)\s+(?!providers)\S+", planning) == []


def test_every_image_is_named_by_its_digest_and_the_same_everywhere() -> None:
    triggers = (BOOTSTRAP / "triggers.tf").read_text()
    images = [step["name"] for step in STEPS.values()] + re.findall(r'_image += "(.+)"', triggers)
    assert [image for image in images if not re.search(r"^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$", image)] == []
    assert len(set(images)) == len({image.partition(":")[0] for image in images}) == 3
    assert set(re.findall(r"\bname += (.+)", triggers.partition("build {")[2])) == {"local.terraform_image", "local.gcloud_image"}


@pytest.mark.parametrize("name", FILES)
def test_every_step_ends_at_some_time_and_before_the_whole_build(name: str) -> None:
    whole = int(BUILDS[name]["timeout"].removesuffix("s"))
    assert all(int(step["timeout"].removesuffix("s")) <= whole for step in BUILDS[name]["steps"])


@pytest.mark.parametrize("name", FILES)
def test_every_substitution_has_a_default_and_is_used(name: str) -> None:
    build = BUILDS[name]
    text = json.dumps({key: value for key, value in build.items() if key != "substitutions"})
    defaults = json.dumps(list(build["substitutions"].values()))
    used = set(re.findall(r"\$\{?(_[A-Z_]+)", text + defaults))
    assert used == set(build["substitutions"])
    assert set(re.findall(r"\$\{?([A-Z][A-Z_]*)", defaults)) <= GIVEN_BY_GOOGLE


def test_no_secret_is_written_down() -> None:
    text = "".join((ROOT / name).read_text() for name in FILES) + SMOKE.read_text()
    assert re.findall(r"sk-cg-\w{6}|AIza\w{8}|PRIVATE KEY|ya29\.|eyJ\w{8}", text) == []


# --- what their steps run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SCRIPTS, *APPLYING])
def test_a_script_is_bash_that_stops_at_its_first_fault(name: str) -> None:
    script = (SCRIPTS | APPLYING)[name]
    assert re.match(r"#!/usr/bin/env bash\n(#.*\n)*set -euo pipefail\n", script)
    subprocess.run(["bash", "-n"], input=script, check=True, text=True)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_reads_only_variables_that_it_is_given(name: str) -> None:
    """Cloud Build substitutes nothing in scripts: what is not in `env` is not there."""
    given = {variable.partition("=")[0] for variable in STEPS[name].get("env", [])}
    own = set(re.findall(r"\b([A-Z_]+)=", SCRIPTS[name])) | {"PATH"}
    assert set(re.findall(r"\$\{?([A-Z_]+)", SCRIPTS[name])) <= given | own
    assert "$_" not in SCRIPTS[name]


def test_what_is_pushed_is_audited_tested_and_bundled() -> None:
    called = re.findall(r"^make ([a-z-]+)$", SCRIPTS["test"], re.MULTILINE)
    assert called == ["audit", "test", "bundle"]
    assert set(called) <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert "CHROMAGENT_AUDIT_OFFLINE" not in "".join((ROOT / name).read_text() for name in FILES)


NOTING = """#!/bin/sh
echo "${0##*/} $*" >>"$NOTED"
case "$*" in
  "storage cp plan.tar.gz gs://"*) cp plan.tar.gz "$BUCKET/${4##*/}" ;;
  "storage cp gs://"*) cp "$BUCKET/${3##*/}" "$4" ;;
esac
"""
LOCKED = 'provider "registry.terraform.io/hashicorp/google" {\n  version = "7.45.0"\n  hashes = [\n    "zh:00",\n  ]\n}\n'


class Builds:
    """Runs steps where terraform and gcloud only note how they were called; gcloud copies into and out of a folder."""

    def __init__(self, folder: Path) -> None:
        self.workspace, self.tools, self.bucket, self.noted = (folder / name for name in ("workspace", "tools", "bucket", "noted"))
        for place in (self.workspace / "terraform" / ".terraform" / "providers", self.tools, self.bucket):
            place.mkdir(parents=True)
        for tool in (self.tools / "terraform", self.tools / "gcloud", self.workspace / "terraform-binary"):
            tool.write_text(NOTING)
            tool.chmod(0o755)
        (self.workspace / "chromagent").mkdir()
        (self.workspace / "functions").mkdir()
        (self.workspace / "terraform" / "build.tfplan").write_text("the plan")
        (self.workspace / "terraform" / ".terraform" / "chromagent.zip").write_text("the archive")
        (self.workspace / "terraform" / ".terraform" / "providers" / "google").write_text("a program")
        self.lock = self.workspace / "terraform" / ".terraform.lock.hcl"
        self.lock.write_text(LOCKED)

    def attempt(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.noted.write_text("")
        path = f"{self.tools}{os.pathsep}{os.environ['PATH']}"
        variables = {"PATH": path, "NOTED": str(self.noted), "BUCKET": str(self.bucket), **environment}
        script = script.replace("/tools/", f"{self.tools}/")
        return subprocess.run(
            ["bash"], input=script, cwd=self.workspace, env=variables, check=False, text=True, capture_output=True, timeout=60
        )

    def run(self, script: str, **environment: str) -> list[str]:
        done = self.attempt(script, **environment)
        assert done.returncode == 0, done.stderr
        return self.noted.read_text().splitlines()

    def keep(self) -> str:
        """Keep the plan and return its digest."""
        done = self.attempt(SCRIPTS["keep"], NAME="chromagent", PLAN_BUCKET="plans", PROJECT="p", REGION="r")
        assert done.returncode == 0, done.stderr
        [digest] = re.findall(r"substitutions=_PLAN=([0-9a-f]{64})$", done.stdout, re.MULTILINE)
        return digest


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    return Builds(tmp_path)


def test_init_names_the_bucket_of_the_state_and_takes_only_providers_of_the_lock_file(builds: Builds) -> None:
    called = builds.run(SCRIPTS["init"], STATE_BUCKET="my-state", NAME="chromagent")
    assert called == ["terraform init -lockfile=readonly -backend-config=bucket=my-state -backend-config=prefix=chromagent"]
    assert (builds.workspace / "terraform" / "backend.tf").read_text() == 'terraform {\n  backend "gcs" {}\n}\n'


def test_a_plan_takes_a_file_of_variables_which_changes_nothing_that_rights_depend_on(builds: Builds) -> None:
    last = "-var project_id=p -var region=r -var name=n -var create_identities=false"
    given = {"PROJECT": "p", "REGION": "r", "NAME": "n"}
    plain = builds.run(SCRIPTS["plan"], VAR_FILE="", **given)
    assert plain == [f"terraform plan -lock=false -out=build.tfplan {last}"]
    [called] = builds.run(SCRIPTS["plan"], VAR_FILE="production.tfvars", **given)
    assert called == f"terraform plan -lock=false -out=build.tfplan -var-file production.tfvars {last}"


def test_a_plan_is_kept_under_its_digest_with_its_archive_and_without_programs(builds: Builds) -> None:
    digest = builds.keep()
    kept = builds.bucket / f"{digest}.tar.gz"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == digest
    with tarfile.open(kept) as archive:
        names = set(archive.getnames())
    assert {"terraform/build.tfplan", "terraform/.terraform/chromagent.zip", "chromagent", "functions"} <= names
    assert not any("providers" in name for name in names)


def test_what_was_approved_is_what_is_applied(builds: Builds) -> None:
    digest = builds.keep()
    builds.run(APPLYING["fetch"], PLAN=digest, PLAN_BUCKET="plans")
    assert (builds.workspace / "plan" / "terraform" / "build.tfplan").read_text() == "the plan"
    called = builds.run(APPLYING["apply"], STATE_BUCKET="my-state", NAME="chromagent")
    assert called == [
        "terraform-binary init -lockfile=readonly -backend-config=bucket=my-state -backend-config=prefix=chromagent",
        "terraform-binary apply build.tfplan",
    ]


def test_another_plan_under_the_approved_digest_is_refused(builds: Builds) -> None:
    digest = builds.keep()
    kept = builds.bucket / f"{digest}.tar.gz"
    (builds.workspace / "terraform" / "build.tfplan").write_text("another plan")
    kept.write_bytes((builds.bucket / f"{builds.keep()}.tar.gz").read_bytes())
    assert builds.attempt(APPLYING["fetch"], PLAN=digest, PLAN_BUCKET="plans").returncode != 0
    assert not (builds.workspace / "plan").exists()


@pytest.mark.parametrize("plan", ["none", "", "../../state/default", "A" * 64, "a" * 63])
def test_what_is_no_digest_is_not_even_fetched(builds: Builds, plan: str) -> None:
    done = builds.attempt(APPLYING["fetch"], PLAN=plan, PLAN_BUCKET="plans")
    assert (done.returncode, builds.noted.read_text()) == (2, "")
    assert "64 hexadecimal digits" in done.stderr


@pytest.mark.parametrize("step", ["init", "apply"])
def test_a_lock_file_without_hashes_stops_the_build_and_says_what_to_do(builds: Builds, step: str) -> None:
    builds.lock.write_text(LOCKED + 'provider "registry.terraform.io/hashicorp/archive" {\n  version = "2.8.0"\n}\n')
    builds.run(APPLYING["fetch"], PLAN=builds.keep(), PLAN_BUCKET="plans")
    done = builds.attempt((SCRIPTS | APPLYING)[step], STATE_BUCKET="my-state", NAME="chromagent")
    assert (done.returncode, builds.noted.read_text()) == (1, "")
    assert "make providers" in done.stderr


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
