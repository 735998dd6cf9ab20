"""A fake Secret Manager that speaks the real gRPC API on a loopback port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
import grpc
from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcAsyncIOTransport
from google.cloud.secretmanager_v1.types import AccessSecretVersionResponse, AddSecretVersionRequest, SecretVersion
from google.cloud.secretmanager_v1.types.service import AccessSecretVersionRequest

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"


@dataclass
class FakeSecretManager:
    """What it holds, and how it misbehaves."""

    values: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    """Versions by `projects/P/secrets/S`."""
    failure: grpc.StatusCode | None = None
    delay: float = 0.0
    damaged: bool = False
    reads: int = 0
    port: int = 0

    async def access(self, request: Any, context: Any) -> Any:
        self.reads += 1
        await asyncio.sleep(self.delay)
        parent, _, version = request.name.partition("/versions/")
        versions = self.values.get(parent, [])
        if self.failure is not None:
            await context.abort(self.failure, "no")
        if not versions or (version != "latest" and int(version) > len(versions)):
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such version")
        value = versions[-1] if version == "latest" else versions[int(version) - 1]
        checksum = google_crc32c.value(value) + self.damaged
        return AccessSecretVersionResponse(name=request.name, payload={"data": value, "data_crc32c": checksum})

    async def add(self, request: Any, context: Any) -> Any:
        self.values.setdefault(request.parent, []).append(request.payload.data)
        return SecretVersion(name=f"{request.parent}/versions/{len(self.values[request.parent])}")

    def client(self) -> Any:
        """Open the official client towards this server."""
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.port}")
        return SecretManagerServiceAsyncClient(transport=SecretManagerServiceGrpcAsyncIOTransport(channel=channel))


@asynccontextmanager
async def serving() -> AsyncIterator[FakeSecretManager]:
    """Serve until the context is left."""
    fake = FakeSecretManager()
    server = grpc.aio.server()
    methods = {
        "AccessSecretVersion": grpc.unary_unary_rpc_method_handler(
            fake.access, AccessSecretVersionRequest.deserialize, AccessSecretVersionResponse.serialize
        ),
        "AddSecretVersion": grpc.unary_unary_rpc_method_handler(
            fake.add, AddSecretVersionRequest.deserialize, SecretVersion.serialize
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    fake.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield fake
    finally:
        await server.stop(None)
