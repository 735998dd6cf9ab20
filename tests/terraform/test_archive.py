"""The archive that Terraform itself makes, from a clone and nothing else: the same as that of `make bundle`, and it serves."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from chromagent.policy.authentication import create_key
from tests.support import deployed
from tests.support.processes import ROOT
from tests.support.terraform import Terraform


@pytest.fixture(scope="module")
def archive(tf: Terraform, root: Path) -> Path:
    target = ["-target=data.archive_file.source", "-var=project_id=example-project", "-var=region=europe-west1"]
    tf.run(root, "plan", "-input=false", "-lock=false", *target)
    return root / ".terraform" / "chromagent.zip"


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as files:
        return {name: files.read(name) for name in files.namelist()}


def test_it_is_the_archive_that_the_bundle_is(archive: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "bundle.py", tmp_path / "bundle.zip"], check=True, capture_output=True)
    made, bundled = contents(archive), contents(tmp_path / "bundle.zip")
    assert sorted(made) == sorted(bundled)
    assert [name for name in made if made[name] != bundled[name]] == []


def test_it_serves_and_refuses_everybody_until_there_is_a_first_key(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        files.extractall(tmp_path / "app")
    document = {"client_keys": "projects/example-project/secrets/chromagent-client-keys/versions/latest"}
    with deployed.serving(tmp_path / "app", tmp_path, CHROMAGENT_CONFIG_JSON=json.dumps(document), NO_GCE_CHECK="true") as server:
        alive = httpx.get(f"{server.url}/health")
        refused = httpx.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {create_key()}"})
    assert alive.json()["status"] == "ok"
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "gateway_misconfigured")
