import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chromagent import telemetry
from chromagent.errors import InvalidApiKey, Misconfigured, MissingApiKey
from chromagent.policy import authentication
from chromagent.policy.authentication import Authenticator, KeyRing, create_key, hash_key, is_well_formed, presented_key
from chromagent.upstream.secrets import SecretDeniedError, SecretMissingError, SecretUnavailableError

pytestmark = pytest.mark.anyio

KEY = create_key()
OTHER = create_key()


UNAVAILABLE = SecretUnavailableError("projects/p/secrets/s/versions/latest: ServiceUnavailable")
DENIED = SecretDeniedError("projects/p/secrets/s/versions/latest: PermissionDenied")
MISSING = SecretMissingError("projects/p/secrets/s/versions/latest: NotFound")


class Store:
    """A key store whose document and health the test decides."""

    def __init__(self, *records: dict[str, object]) -> None:
        self.content = json.dumps({"keys": records})
        self.reads = 0
        self.fault: Exception | None = None
        self.delay = 0.0

    async def read(self) -> bytes:
        self.reads += 1
        await asyncio.sleep(self.delay)
        if self.fault is not None:
            raise self.fault
        return self.content.encode()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def record(key: str, **more: object) -> dict[str, object]:
    return {"id": "k1", "name": "laptop", "sha256": hash_key(key), **more}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_a_key_is_recognised_by_its_checksum() -> None:
    assert is_well_formed(KEY)
    assert len(KEY) == 55


def test_a_typo_is_refused_without_a_look_up() -> None:
    swapped = KEY[:-1] + ("A" if KEY[-1] != "A" else "B")
    assert not is_well_formed(swapped)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer  abc "}, "abc"),
        ({"x-forwarded-authorization": "Bearer abc", "authorization": "Bearer eyJh.eyJp.sig"}, "abc"),
        ({"authorization": "Bearer eyJh.eyJp.sig", "x-api-key": "sk-cg-x"}, "sk-cg-x"),
        ({"authorization": "Bearer eyJh.eyJp.sig"}, None),
        ({"api-key": "sk-cg-y"}, "sk-cg-y"),
        ({"x-api-key": "AIzaGoogle"}, None),
        ({"authorization": "Basic abc"}, None),
        ({}, None),
    ],
)
def test_the_client_key_is_found_among_the_headers(headers: dict[str, str], key: str | None) -> None:
    assert presented_key(headers) == key


async def test_a_known_key_names_its_caller() -> None:
    ring = KeyRing(Store(record(KEY, models=["gemini-*"], gcs_buckets=["b"], allowed_resources=["cachedContents"])).read)
    caller = await ring.authenticate(bearer(KEY))
    assert (caller.id, caller.name, caller.gcs_buckets) == ("k1", "laptop", {"b"})
    assert (caller.models, caller.allowed_resources) == (("gemini-*",), ("cachedContents",))


async def test_no_key_is_another_error_than_a_wrong_one() -> None:
    ring = KeyRing(Store(record(KEY)).read)
    with pytest.raises(MissingApiKey):
        await ring.authenticate({})
    with pytest.raises(InvalidApiKey):
        await ring.authenticate(bearer(OTHER))


@pytest.mark.parametrize("fault", [{"disabled": True}, {"expires_at": datetime.fromtimestamp(999_999, UTC).isoformat()}])
async def test_a_disabled_or_expired_key_is_refused(fault: dict[str, object]) -> None:
    ring = KeyRing(Store(record(KEY, **fault)).read, time_of_day=Clock())
    with pytest.raises(InvalidApiKey):
        await ring.authenticate(bearer(KEY))


async def test_the_document_is_read_once_for_many_requests() -> None:
    store = Store(record(KEY))
    ring = KeyRing(store.read, clock=Clock())
    for _ in range(5):
        await ring.authenticate(bearer(KEY))
    assert store.reads == 1


async def test_it_is_read_again_after_five_minutes() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock=clock)
    await ring.authenticate(bearer(KEY))
    clock.now += 301
    await ring.authenticate(bearer(KEY))
    assert store.reads == 2


async def test_a_key_that_was_just_added_is_found_after_ten_seconds() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock=clock)
    await ring.authenticate(bearer(KEY))
    store.content = json.dumps({"keys": [record(OTHER)]})
    with pytest.raises(InvalidApiKey):
        await ring.authenticate(bearer(OTHER))
    assert store.reads == 1
    clock.now += 11
    assert (await ring.authenticate(bearer(OTHER))).id == "k1"


async def test_a_key_with_a_typo_does_not_send_anybody_to_the_store() -> None:
    store = Store(record(KEY))
    swapped = KEY[:-1] + ("A" if KEY[-1] != "A" else "B")
    with pytest.raises(InvalidApiKey):
        await KeyRing(store.read, clock=Clock()).authenticate(bearer(swapped))
    assert store.reads == 0


async def test_a_stale_document_serves_while_the_store_is_away() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock=clock)
    await ring.authenticate(bearer(KEY))
    store.fault = UNAVAILABLE
    clock.now += 1000
    assert (await ring.authenticate(bearer(KEY))).id == "k1"


async def test_a_broken_document_does_not_replace_a_good_one() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock=clock)
    await ring.authenticate(bearer(KEY))
    store.content = '{"keys": [{"id": 5}]}'
    clock.now += 1000
    assert (await ring.authenticate(bearer(KEY))).id == "k1"


async def test_a_store_that_was_never_read_lets_nobody_in() -> None:
    store = Store(record(KEY))
    store.fault = UNAVAILABLE
    with pytest.raises(authentication.KeyStoreUnavailable):
        await KeyRing(store.read).authenticate(bearer(KEY))


async def test_a_slow_store_keeps_nobody_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "PATIENCE", 0.05)
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock=clock)
    store.delay = 30.0
    with pytest.raises(authentication.KeyStoreUnavailable):
        await ring.authenticate(bearer(KEY))


async def test_a_store_that_got_slow_does_not_lock_out_those_who_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "PATIENCE", 0.05)
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock=clock)
    await ring.authenticate(bearer(KEY))
    store.delay = 30.0
    clock.now += 1000
    assert (await ring.authenticate(bearer(KEY))).id == "k1"


async def test_why_the_store_cannot_be_read_is_logged_without_what_it_holds(capfd: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("info")
    store = Store(record(KEY))
    store.content = json.dumps({"keys": [record(KEY, sha256="canary")]})
    with pytest.raises(authentication.KeyStoreUnavailable):
        await KeyRing(store.read).authenticate(bearer(KEY))
    [line] = [json.loads(text) for text in capfd.readouterr().err.splitlines()]
    assert (line["severity"], line["reason"]) == ("ERROR", "faults in the document: 1, the first at keys.0.sha256")
    assert "canary" not in json.dumps(line)


async def test_a_key_in_the_wrong_place_of_the_document_is_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("info")
    store = Store()
    store.content = json.dumps({"keys": [{**record(KEY), KEY: "laptop"}]})
    with pytest.raises(authentication.KeyStoreUnavailable):
        await KeyRing(store.read).authenticate(bearer(KEY))
    assert capfd.readouterr().err.count(KEY) == 0


async def test_a_document_that_holds_a_key_twice_is_not_taken() -> None:
    store, clock = Store(record(KEY, disabled=True)), Clock()
    ring = KeyRing(store.read, clock=clock)
    store.content = json.dumps({"keys": [record(KEY, disabled=True), record(KEY)]})
    with pytest.raises(authentication.KeyStoreUnavailable):
        await ring.authenticate(bearer(KEY))


async def test_a_document_with_two_records_of_one_id_is_not_taken() -> None:
    with pytest.raises(authentication.KeyStoreUnavailable):
        await KeyRing(Store(record(KEY), record(OTHER)).read).authenticate(bearer(KEY))


@pytest.mark.parametrize(
    ("fault", "works_for"), [(UNAVAILABLE, 3600), (OSError(), 3600), (DENIED, 600), (MISSING, 600), ("nonsense", 3600)]
)
async def test_keys_that_cannot_be_read_again_work_for_a_bounded_time(fault: Exception | str, works_for: float) -> None:
    """The store is asked after 300 s; where it denies the document, that is when the 300 s begin that are left then."""
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock=clock)
    start = clock.now
    await ring.authenticate(bearer(KEY))
    if isinstance(fault, Exception):
        store.fault = fault
    else:
        store.content = fault
    while clock.now + 10 < start + works_for:
        clock.now += 10
        assert (await ring.authenticate(bearer(KEY))).id == "k1"
    clock.now += 10
    with pytest.raises(authentication.KeyStoreUnavailable):
        await ring.authenticate(bearer(KEY))
    store.fault, store.content = None, json.dumps({"keys": [record(KEY)]})
    assert (await ring.authenticate(bearer(KEY))).id == "k1"


async def test_a_store_that_is_denied_once_and_then_unavailable_gets_the_longer_time() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock=clock)
    await ring.authenticate(bearer(KEY))
    for fault in (DENIED, UNAVAILABLE, UNAVAILABLE):
        store.fault = fault
        clock.now += 301
        assert (await ring.authenticate(bearer(KEY))).id == "k1"


async def test_how_long_old_keys_work_is_a_setting() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, max_stale=400, clock=clock)
    await ring.authenticate(bearer(KEY))
    store.fault = UNAVAILABLE
    clock.now += 399
    assert (await ring.authenticate(bearer(KEY))).id == "k1"
    clock.now += 1
    with pytest.raises(authentication.KeyStoreUnavailable):
        await ring.authenticate(bearer(KEY))


async def test_the_log_warns_while_old_keys_work_and_then_tells_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("info")
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock=clock)
    await ring.authenticate(bearer(KEY))
    store.fault = MISSING
    clock.now += 301
    await ring.authenticate(bearer(KEY))
    clock.now += 300
    with pytest.raises(authentication.KeyStoreUnavailable):
        await ring.authenticate(bearer(KEY))
    lines: list[dict[str, Any]] = [json.loads(text) for text in capfd.readouterr().err.splitlines()]
    assert [(line["severity"], line["message"], line.get("serve_for_seconds")) for line in lines] == [
        ("WARNING", "the client keys cannot be read", 300),
        ("ERROR", "the client keys cannot be read, and nobody is let in", None),
    ]
    assert {line["reason"] for line in lines} == {str(MISSING)}


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
async def test_a_step_of_the_wall_clock_neither_freezes_nor_hastens_the_reading(step: float) -> None:
    store, clock, wall = Store(record(KEY)), Clock(), Clock()
    ring = KeyRing(store.read, clock=clock, time_of_day=wall)
    await ring.authenticate(bearer(KEY))
    wall.now += step
    await ring.authenticate(bearer(KEY))
    assert store.reads == 1
    clock.now += 301
    await ring.authenticate(bearer(KEY))
    assert store.reads == 2


async def test_without_keys_nobody_gets_in_unless_anonymous_is_allowed() -> None:
    with pytest.raises(Misconfigured):
        await Authenticator(None, allow_anonymous=False)({})
    assert (await Authenticator(None, allow_anonymous=True)({})).id == "anonymous"
