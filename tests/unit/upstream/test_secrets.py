from pathlib import Path

import pytest

from chromagent.upstream.secret_manager import SecretManager
from chromagent.upstream.secrets import ReferencedSecrets, SecretUnavailableError

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
