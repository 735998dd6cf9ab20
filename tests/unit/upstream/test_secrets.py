import json
from pathlib import Path

import pytest

from chromagent import telemetry
from chromagent.upstream.secret_manager import SecretManager
from chromagent.upstream.secrets import KEPT_FOR, KeptSecrets, ReferencedSecrets, SecretUnavailableError

pytestmark = pytest.mark.anyio


async def test_a_variable_is_read_from_the_environment_it_is_given() -> None:
    assert await ReferencedSecrets({"KEY": "value"}, SecretManager()).read("env:KEY") == b"value"


async def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secrets = ReferencedSecrets({}, SecretManager())
    secret.write_text("one")
    assert await secrets.read(f"file:{secret}") == b"one"
    secret.write_text("two")
    assert await secrets.read(f"file:{secret}") == b"two"


@pytest.mark.parametrize("reference", ["env:MISSING", "file:/nowhere/at/all"])
async def test_what_is_not_there_is_named_by_its_reference(reference: str) -> None:
    with pytest.raises(SecretUnavailableError, match=reference):
        await ReferencedSecrets({}, SecretManager()).read(reference)


async def test_the_owner_learns_that_an_older_value_serves(capfd: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("info")
    now, variables = [0.0], {"KEY": "value"}
    secrets = KeptSecrets(ReferencedSecrets(variables, SecretManager()), lambda: now[0])
    await secrets.read("env:KEY")
    del variables["KEY"]
    now[0] = KEPT_FOR
    assert await secrets.read("env:KEY") == b"value"
    line = json.loads(capfd.readouterr().err)
    assert (line["severity"], line["message"]) == ("WARNING", "a secret cannot be read")
    assert line["reason"] == "env:KEY: the variable is not set"
