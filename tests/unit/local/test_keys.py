"""The life of a client key from the command line, on a file and on Secret Manager."""

import asyncio
import json
import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from chromagent.local import cli, keys
from chromagent.local.keys import KeyStore
from chromagent.local.processes import StartError
from chromagent.policy.authentication import KeyRing, hash_key
from chromagent.upstream.secret_manager import SecretManager
from tests.support import secret_manager

KEY = re.compile(r"sk-cg-\w+")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def shown(text: str) -> str:
    match = KEY.search(text)
    assert match is not None
    return match[0]


def document(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["keys"]


def test_a_key_goes_through_its_life(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    store = ("--store", f"file:{path}")
    status, out, err = run(capsys, "keys", "new", "--name", "laptop", "--models", "gemini-*", *store)
    first = shown(err)
    assert (status, out) == (0, "")
    assert document(path)[0]["sha256"] == hash_key(first)
    assert first not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    _, out, _ = run(capsys, "keys", "list", *store)
    assert re.search(r"key_\w+ +laptop +works, models gemini-\*", out)

    _, _, err = run(capsys, "keys", "rotate", "laptop", "--overlap-days", "3", *store)
    second = shown(err)
    old, new = document(path)
    assert new["sha256"] == hash_key(second)
    assert new["models"] == ["gemini-*"]
    left = datetime.fromisoformat(old["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=2.9) < left <= timedelta(days=3)
    assert f"works, until {old['expires_at'][:19]}" in run(capsys, "keys", "list", *store)[1]

    assert run(capsys, "keys", "disable", old["id"], *store)[0] == 0
    assert [record.get("disabled", False) for record in document(path)] == [True, False]
    assert "disabled" in run(capsys, "keys", "list", *store)[1]


@pytest.mark.anyio
async def test_both_keys_work_while_they_overlap() -> None:
    old, record = keys.issue("laptop")
    new, records = keys.rotate([record], "laptop")

    async def read() -> bytes:
        return json.dumps({"keys": records}).encode()

    ring = KeyRing(read)
    for key in (old, new):
        assert (await ring.authenticate({"authorization": f"Bearer {key}"})).name == "laptop"


def test_successors_share_the_limits_of_the_first_key() -> None:
    _, first = keys.issue("laptop")
    _, [_, second] = keys.rotate([first], "laptop")
    _, records = keys.rotate([second], "laptop")
    assert [second["limits_id"], records[-1]["limits_id"]] == [first["id"]] * 2


def test_a_successor_has_all_rights_and_limits_of_its_predecessor_and_no_more() -> None:
    rights = {"models": ["gemini-*"], "limits": {"tokens": "1000/minute"}, "gcs_buckets": ["images"]}
    _, issued = keys.issue("laptop", days=3)
    _, [old, new] = keys.rotate([{**issued, **rights}], "laptop", overlap_days=1)
    assert {name: new[name] for name in (*rights, "name")} == {**rights, "name": "laptop"}
    assert new["expires_at"] == issued["expires_at"]
    assert old["expires_at"] < issued["expires_at"]


def test_a_successor_may_get_an_end_of_its_own() -> None:
    _, issued = keys.issue("laptop", days=3)
    _, [_, new] = keys.rotate([issued], "laptop", days=90)
    assert datetime.fromisoformat(new["expires_at"]) > datetime.now(UTC) + timedelta(days=89)


def test_a_name_belongs_to_one_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ("--store", f"file:{tmp_path / 'keys.json'}")
    run(capsys, "keys", "new", "--name", "laptop", *store)
    [first] = document(tmp_path / "keys.json")
    status, _, err = run(capsys, "keys", "new", "--name", "laptop", *store)
    assert status == 2
    assert err == (
        f"chromagent: the key {first['id']} is called laptop already: choose another name, rotate that key, or disable it\n"
    )
    assert document(tmp_path / "keys.json") == [first]


def test_the_name_of_a_disabled_key_is_free_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ("--store", f"file:{tmp_path / 'keys.json'}")
    for arguments in (("new", "--name", "laptop"), ("disable", "laptop"), ("new", "--name", "laptop"), ("rotate", "laptop")):
        assert run(capsys, "keys", *arguments, *store)[0] == 0
    assert [record.get("disabled", False) for record in document(tmp_path / "keys.json")] == [True, False, False]


@pytest.mark.parametrize("command", ["rotate", "disable"])
def test_two_keys_of_one_name_are_told_apart_by_id_only(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    (_, one), (_, other) = keys.issue("laptop", models=["gemini-*"]), keys.issue("laptop")
    path.write_text(json.dumps({"keys": [one, other]}))
    status, _, err = run(capsys, "keys", command, "laptop", "--store", f"file:{path}")
    assert status == 2
    assert err == f"chromagent: several keys are called laptop: name the one you mean by its id ({one['id']}, {other['id']})\n"
    assert document(path) == [one, other]
    assert run(capsys, "keys", command, one["id"], "--store", f"file:{path}")[0] == 0
    assert document(path)[1] == other


def test_disabling_by_name_disables_the_predecessor_that_still_works() -> None:
    _, issued = keys.issue("laptop")
    _, records = keys.rotate([issued], "laptop")
    assert [record["disabled"] for record in keys.disable(records, "laptop")] == [True, True]


def test_a_shorter_life_is_not_made_longer_by_rotation() -> None:
    _, record = keys.issue("laptop", days=1)
    _, records = keys.rotate([record], "laptop", overlap_days=30)
    assert records[0]["expires_at"] == record["expires_at"]


@pytest.mark.parametrize("command", ["disable", "rotate"])
def test_a_key_that_does_not_exist_is_one_clear_line(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "keys", command, "ghost", "--store", f"file:{tmp_path / 'keys.json'}")
    assert (status, err) == (2, "chromagent: there is no key called ghost\n")


def test_an_id_is_an_id_even_where_another_key_is_called_so() -> None:
    _, one = keys.issue("laptop")
    _, other = keys.issue(one["id"])
    assert [record.get("disabled", False) for record in keys.disable([one, other], one["id"])] == [True, False]


def test_those_who_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    def add(name: str) -> None:
        def change(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
            time.sleep(0.05)
            return [*records, keys.issue(name)[1]]

        asyncio.run(KeyStore(f"file:{path}").change(change))

    with ThreadPoolExecutor() as writers:
        list(writers.map(add, "abcd"))
    assert sorted(record["name"] for record in document(path)) == list("abcd")


def test_a_file_keeps_its_place_and_who_may_read_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real, link = tmp_path / "real.json", tmp_path / "keys.json"
    real.write_text("{}")
    real.chmod(0o640)
    link.symlink_to(real)
    assert run(capsys, "keys", "new", "--name", "x", "--store", f"file:{link}")[0] == 0
    assert link.is_symlink()
    assert len(document(real)) == 1
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_folder_keeps_no_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "keys", "list", "--store", f"file:{tmp_path}")
    assert (status, err) == (2, f"chromagent: file:{tmp_path}: cannot be read: Is a directory\n")


@pytest.mark.parametrize("days", ["0", "-5", "99999999999", "soon"])
def test_days_that_are_none_are_one_clear_line(days: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    status, _, err = run(capsys, "keys", "new", "--name", "x", f"--days={days}", "--store", f"file:{path}")
    assert (status, err.splitlines()[-1].partition("error: ")[2]) == (2, f"argument --days: expected 1 to 36500 days, not {days}")
    assert not path.exists()


@pytest.mark.parametrize("content", ["{", '{"keys": [{"id": "a"}]}', "[]"])
def test_a_broken_document_is_not_overwritten(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    status, _, err = run(capsys, "keys", "new", "--name", "x", "--store", f"file:{path}")
    assert status == 2
    assert "is no document of client keys" in err
    assert path.read_text() == content


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "keys", "new", "--name", "x", "--store", f"file:{tmp_path}/missing/keys.json")
    assert status == 2
    assert "cannot be written" in err


def test_a_variable_cannot_keep_keys() -> None:
    with pytest.raises(StartError, match="not in env"):
        KeyStore("env:KEYS")


def test_a_key_brings_its_rights_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    rights = (
        "--requests",
        "60/minute",
        "--tokens",
        "50000/minute",
        "--buckets",
        "images",
        "--resources",
        "cachedContents",
        "--days",
        "3",
    )
    assert run(capsys, "keys", "new", "--name", "ci", *rights, "--store", f"file:{path}")[0] == 0
    [record] = document(path)
    assert record["limits"] == {"requests": "60/minute", "tokens": "50000/minute"}
    assert (record["gcs_buckets"], record["allowed_resources"]) == (["images"], ["cachedContents"])
    assert timedelta(days=2.9) < datetime.fromisoformat(record["expires_at"]) - datetime.now(UTC) <= timedelta(days=3)


@pytest.mark.parametrize("prefix", ["*", "cachedContents/*", "/", "cachedContents//1", "../x"])
def test_a_prefix_of_no_resource_is_one_clear_line(prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    status, _, err = run(capsys, "keys", "new", "--name", "ci", "--resources", prefix, "--store", f"file:{path}")
    assert (status, err.startswith("chromagent: allowed_resources.0: expected a resource name")) == (2, True)
    assert not path.exists()


@pytest.mark.parametrize("rate", ["many", "0/minute", "5/0 seconds"])
def test_a_rate_that_is_none_is_one_clear_line(rate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    status, _, err = run(capsys, "keys", "new", "--name", "ci", "--requests", rate, "--store", f"file:{path}")
    assert (status, err) == (2, "chromagent: limits.requests: expected a rate such as 600/minute or 10 per 5 seconds\n")
    assert not path.exists()


EMPTY = "the value is empty: give one, or leave the option out"


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize(
    "option", ["--models", "--buckets", "--resources", "--requests", "--tokens", "--days", "--store", "--name"]
)
def test_an_empty_value_of_an_option_is_an_error(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys.json"
    status, out, err = run(capsys, "keys", "new", "--name", "ci", "--store", f"file:{path}", option, value)
    assert (status, out, err.splitlines()[-1]) == (2, "", f"chromagent keys new: error: argument {option}: {EMPTY}")
    assert not path.exists()


@pytest.mark.parametrize("option", ["--models", "--buckets", "--resources"])
def test_an_option_without_any_value_is_an_error(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    status, _, err = run(capsys, "keys", "new", "--name", "ci", "--store", f"file:{path}", option)
    assert (status, err.splitlines()[-1].partition("error: ")[2]) == (2, f"argument {option}: expected at least one argument")
    assert not path.exists()


def test_an_empty_name_rotates_and_disables_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("rotate", "disable"):
        status, _, err = run(capsys, "keys", command, "", "--store", "file:/nowhere")
        assert (status, err.splitlines()[-1].partition("error: ")[2]) == (2, f"argument which: {EMPTY}")


def test_rotation_compares_times_and_not_their_spelling() -> None:
    _, record = keys.issue("laptop")
    soon = (datetime.now(UTC) + timedelta(hours=1)).astimezone(timezone(timedelta(hours=14))).isoformat()
    _, records = keys.rotate([{**record, "expires_at": soon}], "laptop", overlap_days=0)
    assert datetime.fromisoformat(records[0]["expires_at"]) < datetime.now(UTC) + timedelta(minutes=1)


@pytest.mark.parametrize("far", [4102444800, "4102444800", "2100-01-01t00:00:00z", "2100-01-01T00:00:00+0000"])
def test_every_time_that_a_document_may_hold_can_be_rotated(far: Any) -> None:
    _, record = keys.issue("laptop")
    _, records = keys.rotate([{**record, "expires_at": far}], "laptop", overlap_days=0)
    assert datetime.fromisoformat(records[0]["expires_at"]) < datetime.now(UTC) + timedelta(minutes=1)


@pytest.mark.anyio
async def test_the_first_key_of_an_empty_secret() -> None:
    async with secret_manager.serving() as fake:
        fake.values["projects/p/secrets/keys"] = []
        store = KeyStore("projects/p/secrets/keys/versions/latest", SecretManager(fake.client))
        _, record = keys.issue("laptop")
        assert await store.read() == []
        assert await store.write([record]) == "projects/p/secrets/keys/versions/1"


@pytest.mark.anyio
async def test_on_secret_manager_each_change_is_a_new_version() -> None:
    async with secret_manager.serving() as fake:
        fake.values["projects/p/secrets/keys"] = [b'{"keys": []}']
        store = KeyStore("projects/p/secrets/keys/versions/latest", SecretManager(fake.client))
        _, record = keys.issue("laptop")
        assert await store.write([*await store.read(), record]) == "projects/p/secrets/keys/versions/2"
        assert await store.read() == [record]
        assert len(fake.values["projects/p/secrets/keys"]) == 2
