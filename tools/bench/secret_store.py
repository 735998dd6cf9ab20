"""The fake Secret Manager behind its real name: a proxy that gRPC is sent through (`grpc_proxy`) ends TLS as the real host would.

So the deployed code runs unchanged: the official client, gRPC, TLS, and Google's host name, over loopback.
"""

import asyncio
import contextlib
import ssl
import sys
from pathlib import Path
from typing import Final

import trustme

from tests.support import secret_manager

HOST: Final = "secretmanager.googleapis.com"
SECRET: Final = "projects/p/secrets/client-keys"  # noqa: S105 - its name
REFERENCE: Final = f"{SECRET}/versions/latest"


def environment(folder: Path, port: int) -> dict[str, str]:
    """Lead gRPC, and nothing else, to the proxy."""
    return {"grpc_proxy": f"http://127.0.0.1:{port}", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(folder / "authority.pem")}


async def serve(port: int, folder: Path, value: bytes) -> None:
    """Serve a value as the secret, until the process is ended."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - half typed there
    context.set_alpn_protocols(["h2"])
    async with secret_manager.serving() as store:
        store.values[SECRET] = [value]

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.start_tls(context)
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", store.port)
            await asyncio.gather(_copy(reader, behind_writer), _copy(behind_reader, writer))

        server = await asyncio.start_server(proxy, "127.0.0.1", port)
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]).read_bytes()))
