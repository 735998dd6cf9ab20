"""Secrets from Secret Manager over the real gRPC API: rotation, outages, and nothing said of a value."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from chromagent.upstream.secret_manager import SecretManager
from chromagent.upstream.secrets import KEPT_FOR, KeptSecrets, ReferencedSecrets, SecretUnavailableError
from tests.support import secret_manager
from tests.support.secret_manager import FakeSecretManager

pytestmark = pytest.mark.anyio

SECRET = "projects/p/secrets/keys"
LATEST = f"{SECRET}/versions/latest"


@pytest.fixture
async def fake() -> AsyncIterator[FakeSecretManager]:
    async with secret_manager.serving() as fake:
        fake.values[SECRET] = [b"one"]
        yield fake


def direct(fake: FakeSecretManager) -> ReferencedSecrets:
    return ReferencedSecrets({}, SecretManager(fake.client))


async def test_a_version_is_read_and_its_checksum_verified(fake: FakeSecretManager) -> None:
    fake.values[SECRET].append(b"two")
    assert await direct(fake).read(LATEST) == b"two"
    assert await direct(fake).read(f"{SECRET}/versions/1") == b"one"
    fake.damaged = True
    with pytest.raises(SecretUnavailableError, match="damaged"):
        await direct(fake).read(LATEST)


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNAUTHENTICATED,
    ],
)
async def test_a_refusal_names_the_reference_and_the_reason_and_no_value(fake: FakeSecretManager, code: grpc.StatusCode) -> None:
    fake.failure = code
    with pytest.raises(SecretUnavailableError) as caught:
        await direct(fake).read(LATEST)
    assert LATEST in str(caught.value)
    assert "one" not in str(caught.value)


async def test_a_version_that_does_not_exist(fake: FakeSecretManager) -> None:
    with pytest.raises(SecretUnavailableError, match="NotFound"):
        await direct(fake).read(f"{SECRET}/versions/9")


async def test_a_version_is_added(fake: FakeSecretManager) -> None:
    manager = SecretManager(fake.client)
    assert await manager.add(LATEST, b"new") == f"{SECRET}/versions/2"
    assert await manager.read(LATEST) == b"new"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_value_is_kept_for_five_minutes_and_then_seen_rotated(fake: FakeSecretManager) -> None:
    clock = Clock()
    secrets = KeptSecrets(direct(fake), clock)
    assert await secrets.read(LATEST) == b"one"
    fake.values[SECRET].append(b"two")
    clock.now += KEPT_FOR - 1
    assert await secrets.read(LATEST) == b"one"
    assert fake.reads == 1
    clock.now += 2
    assert await secrets.read(LATEST) == b"two"


async def test_many_who_ask_at_once_share_one_read(fake: FakeSecretManager) -> None:
    fake.delay = 0.05
    secrets = KeptSecrets(direct(fake))
    assert await asyncio.gather(*(secrets.read(LATEST) for _ in range(50))) == [b"one"] * 50
    assert fake.reads == 1


async def test_the_last_value_serves_while_the_store_is_away(fake: FakeSecretManager) -> None:
    clock = Clock()
    secrets = KeptSecrets(direct(fake), clock)
    await secrets.read(LATEST)
    fake.failure = grpc.StatusCode.PERMISSION_DENIED
    clock.now += KEPT_FOR + 1
    for _ in range(5):
        assert await secrets.read(LATEST) == b"one"
    assert fake.reads == 2
    fake.failure = None
    fake.values[SECRET].append(b"two")
    clock.now += 16
    assert await secrets.read(LATEST) == b"two"


async def test_a_value_that_never_was_is_an_error_each_time(fake: FakeSecretManager) -> None:
    fake.failure = grpc.StatusCode.PERMISSION_DENIED
    secrets = KeptSecrets(direct(fake))
    for _ in range(2):
        with pytest.raises(SecretUnavailableError):
            await secrets.read(LATEST)


async def test_what_was_refused_is_read_anew(fake: FakeSecretManager) -> None:
    secrets = KeptSecrets(direct(fake))
    await secrets.read(LATEST)
    fake.values[SECRET].append(b"two")
    secrets.forget(LATEST)
    assert await secrets.read(LATEST) == b"two"


async def test_one_who_stops_waiting_does_not_stop_the_others(fake: FakeSecretManager) -> None:
    fake.delay = 0.1
    secrets = KeptSecrets(direct(fake))
    impatient = asyncio.create_task(secrets.read(LATEST))
    patient = asyncio.create_task(secrets.read(LATEST))
    await asyncio.sleep(0.02)
    impatient.cancel()
    assert await patient == b"one"
