"""`chromagent check`: is the configuration usable, and can each backend be reached?"""

import asyncio

from chromagent import config
from chromagent.app import build_app
from chromagent.errors import GatewayError
from chromagent.providers import registry
from chromagent.providers.protocol import Provider
from chromagent.schema import keys
from chromagent.schema.documents import FaultyDocumentError
from chromagent.upstream.secret_manager import SecretManager
from chromagent.upstream.secrets import ReferencedSecrets, SecretUnavailableError


def check() -> bool:
    """Load the configuration, read the key document, probe every backend at every location; print a line for each.

    Returns whether all is well. Raises `ConfigurationError` with all faults of the configuration itself.
    """
    return asyncio.run(_check(config.load(registry.OPTIONS)))


async def _check(settings: config.Settings) -> bool:
    app = build_app(settings)
    faults = {"configuration": "", "client keys": await _check_keys(settings)}
    for name, probed in app.backends.items():
        for location in probed.locations:
            faults[f"{name} at {location}"] = await _probe(probed.provider, location)
    for subject, fault in faults.items():
        print(f"{subject:<32} {fault or 'ok'}")
    return not any(faults.values())


async def _check_keys(settings: config.Settings) -> str:
    if settings.client_keys is None:
        return "" if settings.allow_anonymous else "none configured: chat will be refused until client_keys is set"
    try:
        keys.read(await ReferencedSecrets(config.environment(), SecretManager()).read(settings.client_keys))
    except SecretUnavailableError as error:
        return str(error)
    except FaultyDocumentError as error:
        return f"{settings.client_keys}: {len(error.faults)} faults, the first at {error.faults[0]}"
    return ""


async def _probe(provider: Provider, location: str) -> str:
    try:
        await provider.probe(location)
    except GatewayError as error:
        return error.message
    return ""
