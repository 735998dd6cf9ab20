import asyncio
import json
from datetime import UTC, datetime

import pytest

from chromagent import telemetry
from chromagent.errors import InvalidApiKey, Misconfigured, MissingApiKey
from chromagent.policy import authentication
from chromagent.policy.authentication import Authenticator, KeyRing, create_key, hash_key, is_well_formed, presented_key

pytestmark = pytest.mark.anyio

KEY = create_key()
OTHER = create_key()


class Store:
    """A key store whose document and health the test decides."""

    def __init__(self, *records: dict[str, object]) -> None:
        self.content = json.dumps({"keys": records})
        self.reads = 0
        self.away = False
        self.delay = 0.0

    async def read(self) -> bytes:
        self.reads += 1
        await asyncio.sleep(self.delay)
        if self.away:
            raise OSError("the store is away")
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
    ring = KeyRing(Store(record(KEY, **fault)).read, Clock())
    with pytest.raises(InvalidApiKey):
        await ring.authenticate(bearer(KEY))


async def test_the_document_is_read_once_for_many_requests() -> None:
    store = Store(record(KEY))
    ring = KeyRing(store.read, Clock())
    for _ in range(5):
        await ring.authenticate(bearer(KEY))
    assert store.reads == 1


async def test_it_is_read_again_after_five_minutes() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock)
    await ring.authenticate(bearer(KEY))
    clock.now += 301
    await ring.authenticate(bearer(KEY))
    assert store.reads == 2


async def test_a_key_that_was_just_added_is_found_after_ten_seconds() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock)
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
        await KeyRing(store.read, Clock()).authenticate(bearer(swapped))
    assert store.reads == 0


async def test_a_stale_document_serves_while_the_store_is_away() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock)
    await ring.authenticate(bearer(KEY))
    store.away = True
    clock.now += 1000
    assert (await ring.authenticate(bearer(KEY))).id == "k1"


async def test_a_broken_document_does_not_replace_a_good_one() -> None:
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock)
    await ring.authenticate(bearer(KEY))
    store.content = '{"keys": [{"id": 5}]}'
    clock.now += 1000
    assert (await ring.authenticate(bearer(KEY))).id == "k1"


async def test_a_store_that_was_never_read_lets_nobody_in() -> None:
    store = Store(record(KEY))
    store.away = True
    with pytest.raises(authentication.KeyStoreUnavailable):
        await KeyRing(store.read).authenticate(bearer(KEY))


async def test_a_slow_store_keeps_nobody_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "PATIENCE", 0.05)
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock)
    store.delay = 30.0
    with pytest.raises(authentication.KeyStoreUnavailable):
        await ring.authenticate(bearer(KEY))


async def test_a_store_that_got_slow_does_not_lock_out_those_who_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "PATIENCE", 0.05)
    store, clock = Store(record(KEY)), Clock()
    ring = KeyRing(store.read, clock)
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
    assert (line["severity"], line["reason"]) == ("WARNING", "faults in the document: 1, the first at keys.0.sha256")
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
    ring = KeyRing(store.read, clock)
    store.content = json.dumps({"keys": [record(KEY, disabled=True), record(KEY)]})
    with pytest.raises(authentication.KeyStoreUnavailable):
        await ring.authenticate(bearer(KEY))


async def test_without_keys_nobody_gets_in_unless_anonymous_is_allowed() -> None:
    with pytest.raises(Misconfigured):
        await Authenticator(None, allow_anonymous=False)({})
    assert (await Authenticator(None, allow_anonymous=True)({})).id == "anonymous"
