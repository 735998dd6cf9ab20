import asyncio
import json
from pathlib import Path

import pytest

from chromagent import telemetry
from chromagent.upstream import secrets
from chromagent.upstream.secret_manager import SecretManager
from chromagent.upstream.secrets import KEPT_FOR, KeptSecrets, ReferencedSecrets, SecretUnavailableError

pytestmark = pytest.mark.anyio


async def test_a_variable_is_read_from_the_environment_it_is_given() -> None:
    assert await ReferencedSecrets({"KEY": "value"}, SecretManager()).read("env:KEY") == b"value"


async def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    source = ReferencedSecrets({}, SecretManager())
    secret.write_text("one")
    assert await source.read(f"file:{secret}") == b"one"
    secret.write_text("two")
    assert await source.read(f"file:{secret}") == b"two"


@pytest.mark.parametrize("reference", ["env:MISSING", "file:/nowhere/at/all"])
async def test_what_is_not_there_is_named_by_its_reference(reference: str) -> None:
    with pytest.raises(SecretUnavailableError, match=reference):
        await ReferencedSecrets({}, SecretManager()).read(reference)


async def test_the_owner_learns_that_an_older_value_serves(capfd: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("info")
    now, variables = [0.0], {"KEY": "value"}
    kept = KeptSecrets(ReferencedSecrets(variables, SecretManager()), lambda: now[0])
    await kept.read("env:KEY")
    del variables["KEY"]
    now[0] = KEPT_FOR
    assert await kept.read("env:KEY") == b"value"
    line = json.loads(capfd.readouterr().err)
    assert (line["severity"], line["message"]) == ("WARNING", "a secret cannot be read")
    assert line["reason"] == "env:KEY: the variable is not set"


async def test_a_store_that_got_slow_holds_nobody_up_who_can_do_with_the_last_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "PATIENCE", 0.1)
    now, delay = 0.0, 0.0

    class Store:
        async def read(self, reference: str) -> bytes:
            await asyncio.sleep(delay)
            return b"value"

    kept = KeptSecrets(Store(), lambda: now)
    await kept.read("env:KEY")
    now, delay = secrets.KEPT_FOR + 1, 30.0
    async with asyncio.timeout(5):
        assert [await kept.read("env:KEY") for _ in range(100)] == [b"value"] * 100


@pytest.mark.parametrize("turns", range(8))
async def test_a_reader_that_is_ended_at_any_turn_of_the_loop_ends(turns: int) -> None:
    now, variables = [0.0], {"KEY": "value"}
    kept = KeptSecrets(ReferencedSecrets(variables, SecretManager()), lambda: now[0])
    await kept.read("env:KEY")
    now[0] = KEPT_FOR
    reading = asyncio.create_task(kept.read("env:KEY"))
    for _ in range(turns):
        await asyncio.sleep(0)
    ended = reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled() is ended
