"""`chromagent run`: both functions, the local gateway in front of them, and the simulated Vertex behind them, as one thing."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from typing import Final

import uvicorn

from chromagent import codec, config
from chromagent.config import Settings
from chromagent.local import keys, openapi, playground, processes
from chromagent.local.gateway import GatewaySettings, LocalGateway
from chromagent.local.run_options import RunOptions
from chromagent.providers import registry

LOCAL_PROJECT: Final = "local-project"
_KEYS_VARIABLE: Final = "LOCAL_CLIENT_KEYS"


def run(options: RunOptions) -> None:
    """Serve until Ctrl-C. Raises `ConfigurationError` or `StartError` when that is impossible."""
    asyncio.run(_run(options))


async def _run(options: RunOptions) -> None:
    environment = dict(config.environment())
    settings = config.load(registry.OPTIONS)
    port = _port(options.port or environment.get("PORT") or settings.port)
    processes.require_free(port)
    real = await asyncio.to_thread(_has_google_credentials, environment) if options.vertex is None else options.vertex

    commands: dict[str, list[str]] = {}
    ready: list[str] = []
    if not real:
        simulation = processes.free_port()
        environment |= _simulated(settings, f"http://127.0.0.1:{simulation}")
        pace = ["--words-per-second", str(options.words_per_second)]
        commands["the simulated Vertex"] = [sys.executable, "-m", "chromagent.local.vertex", "--port", str(simulation), *pace]
        ready.append(f"http://127.0.0.1:{simulation}/_simulated/stats")
    key = _give_key(settings, environment)
    environment.setdefault("CHROMAGENT_LOG__LEVEL", "warning")

    chat_port = port if options.direct else processes.free_port()
    served = [chat_port]
    commands["the chat function"] = processes.function_command("chat_completions", chat_port)
    ready.append(f"http://127.0.0.1:{chat_port}/health")
    if not options.direct:
        models_port = processes.free_port()
        served.append(models_port)
        commands["the models function"] = processes.function_command("models", models_port)
        ready.append(f"http://127.0.0.1:{models_port}/health")

    environment[f"{config.PREFIX}ALLOWED_HOSTS"] = codec.encode_text(sorted(own_hosts(*served)))

    async with processes.running(commands, environment) as supervisor:
        await supervisor.ready(ready)
        banner = _banner(port, key, real=real, direct=options.direct, api_key=options.api_key)
        if options.direct:
            print(banner, flush=True)
            await _until_stopped(supervisor)
        else:
            await _serve_gateway(_gateway(options, port, chat_port, models_port, key), port, banner, supervisor)  # pyright: ignore[reportPossiblyUnboundVariable]


def _port(given: int | str) -> int:
    try:
        port = int(given)
    except ValueError as error:
        raise processes.StartError(f"PORT is not a number: {given}") from error
    if not 0 < port < 65536:
        raise processes.StartError(f"PORT must be between 1 and 65535, not {port}")
    return port


def _has_google_credentials(environment: Mapping[str, str]) -> bool:
    """Say whether the real Vertex can be called: a project is named, and credentials are found for it."""
    if not environment.get("GOOGLE_CLOUD_PROJECT"):
        return False
    import google.auth  # noqa: PLC0415 - the search for credentials imports half of google-auth
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415

    try:
        google.auth.default()  # pyright: ignore[reportUnknownMemberType] - untyped there
    except DefaultCredentialsError:
        return False
    return True


def _simulated(settings: Settings, address: str) -> dict[str, str]:
    """Return the variables that turn every backend towards the simulation; they are the strongest source of configuration."""
    variables: dict[str, str] = {}
    for name, backend in settings.backends.items():
        prefix = f"{config.PREFIX}BACKENDS__{name.replace('-', '_').upper()}__"
        variables |= {
            f"{prefix}PROVIDER": backend.provider,
            f"{prefix}BASE_URL": address,
            f"{prefix}AUTH": "none",
            f"{prefix}PROJECT": backend.project or LOCAL_PROJECT,
        }
    return variables


def _give_key(settings: Settings, environment: dict[str, str]) -> str | None:
    """Issue a key for this run, unless the configuration has its own keys or needs none."""
    if settings.client_keys is not None or settings.allow_anonymous:
        return None
    key, record = keys.issue("local")
    environment[_KEYS_VARIABLE] = codec.encode_text({"keys": [record]})
    environment[f"{config.PREFIX}CLIENT_KEYS"] = f"env:{_KEYS_VARIABLE}"
    return key


def own_hosts(*ports: int) -> frozenset[str]:
    """Return the values of the Host header by which this machine calls itself; the usual port may be left out."""
    names = ("localhost", "127.0.0.1", "[::1]")
    usual = names if 80 in ports else ()
    return frozenset((*usual, *(f"{name}:{port}" for port in ports for name in names)))


def _gateway(options: RunOptions, port: int, chat_port: int, models_port: int, key: str | None) -> LocalGateway:
    values = {
        "chat_address": f"http://127.0.0.1:{chat_port}",
        "models_address": f"http://127.0.0.1:{models_port}",
        "chat_deadline": 3600,
        "models_deadline": 60,
        "chat_per_minute": options.chat_per_minute,
        "models_per_minute": options.models_per_minute,
        "security": "[{api_key: []}]" if options.api_key else "[]",
    }
    api_keys = frozenset({options.api_key}) if options.api_key else frozenset[str]()
    page = playground.page(key, options.api_key)
    return LocalGateway(openapi.load(values), GatewaySettings(api_keys, options.buffer, page, own_hosts(port)))


class _Server(uvicorn.Server):
    """A server that leaves signals to us: we stop it together with the processes behind it."""

    def install_signal_handlers(self) -> None:
        """Install none."""


async def _serve_gateway(gateway: LocalGateway, port: int, banner: str, supervisor: processes.Supervisor) -> None:
    server = _Server(
        uvicorn.Config(gateway, host="127.0.0.1", port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=2)
    )
    serving = asyncio.ensure_future(server.serve())
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        print(banner, flush=True)
        await _until_stopped(supervisor)
    finally:
        server.should_exit = True
        await serving
        await gateway.close()


async def _until_stopped(supervisor: processes.Supervisor) -> None:
    """Wait for Ctrl-C, SIGTERM, a closed terminal, or the end of a process that should not end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    death = asyncio.ensure_future(supervisor.first_death())
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({death, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not stop.is_set():
        raise processes.StartError(death.result())
    death.cancel()
    print("\nStopped.", flush=True)


def _banner(port: int, key: str | None, *, real: bool, direct: bool, api_key: str | None) -> str:
    base_url = f"http://127.0.0.1:{port}/v1"
    behind = (
        "The real Vertex AI answers: requests are billed to your project."
        if real
        else "The simulated Vertex answers: nothing leaves this machine, and no account is needed."
    )
    shown = key or "YOUR_KEY"
    page = "" if direct else f"\n  browser     http://127.0.0.1:{port}/"
    gateway_header = f" -H 'x-api-key: {api_key}'" if api_key else ""
    gateway_argument = f', default_headers={{"x-api-key": "{api_key}"}}' if api_key else ""
    return f"""
chromagent is ready. {behind}

  base URL    {base_url}
  client key  {shown if key else "one of your own (client_keys), or any text with allow_anonymous"}{page}

With curl, streaming:

  curl -N {base_url}/chat/completions -H 'Authorization: Bearer {shown}'{gateway_header} -H 'Content-Type: application/json' \\
    -d '{{"model": "gemini-3.8-flash", "stream": true, "messages": [{{"role": "user", "content": "Say hello in five languages"}}]}}'

With the OpenAI SDK (pip install openai):

  from openai import OpenAI
  client = OpenAI(base_url="{base_url}", api_key="{shown}"{gateway_argument})
  answer = client.chat.completions.create(
      model="claude-sonnet-4-6", messages=[{{"role": "user", "content": "Say hello in five languages"}}]
  )
  print(answer.choices[0].message.content)

Press Ctrl-C to stop.
"""
