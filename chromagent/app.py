"""The composition root: settings → parts → the two ASGI applications. Nobody but `functions/` and `local/` imports it.

Nothing is opened here: connections, credentials and keys open with the first request, in the worker that serves it. The platform
imports this in a master process and forks. What only a request for a model needs (`serving`, and the provider of that model) is
not even imported before one comes: a start that answers `/health` has no use for it, and its pages need not be in both processes.
"""

import gc
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from chromagent import config, telemetry
from chromagent.catalog import Family
from chromagent.config import Settings
from chromagent.endpoints.asgi import Reply, Request
from chromagent.endpoints.cors import CorsRules
from chromagent.endpoints.draining import Drain
from chromagent.endpoints.health import Health, Probed
from chromagent.endpoints.middleware import Face
from chromagent.endpoints.models import Models
from chromagent.endpoints.request_line import Outcome, RequestLine
from chromagent.endpoints.routes import RouteTable
from chromagent.endpoints.watchdog import Watchdog
from chromagent.policy.admission import Door
from chromagent.policy.authentication import Authenticator, KeyRing
from chromagent.policy.limits import Limiter, LimitRules
from chromagent.policy.routing import RoutedBackend, Router
from chromagent.providers import registry
from chromagent.upstream.secret_manager import SecretManager
from chromagent.upstream.secrets import ReferencedSecrets, SecretSource

if TYPE_CHECKING:
    import httpx

    from chromagent.endpoints.chat_completions import ChatCompletions
    from chromagent.providers.protocol import Provider
    from chromagent.serving import Upstreams
    from chromagent.upstream.remote_files import RemoteFiles

T = TypeVar("T")

_FAMILIES: dict[str, Family] = {"vertex-gemini": "gemini", "vertex-anthropic": "claude"}


class App(NamedTuple):
    """The two applications, one for every route and one for what needs no model, and the backends behind them."""

    chat: Face
    models: Face
    backends: Mapping[str, Probed]


def open_app() -> App:
    """Build the app from the environment. Raises `config.ConfigurationError` with every fault."""
    return build_app(config.load(registry.OPTIONS), listens=True)


def create_app(
    settings: Settings, *, transport: "httpx.AsyncBaseTransport | None" = None, files: "RemoteFiles | None" = None
) -> Face:
    """Build the application that answers every route, over another transport and another way to files if given (tests)."""
    return build_app(settings, transport=transport, files=files).chat


def build_app(
    settings: Settings,
    *,
    transport: "httpx.AsyncBaseTransport | None" = None,
    files: "RemoteFiles | None" = None,
    listens: bool = False,
) -> App:
    """Build both applications over the same parts. `listens`: this process is the worker, and SIGTERM is the app's to notice."""
    telemetry.configure(settings.log.level)
    secrets = ReferencedSecrets(config.environment(), SecretManager())
    authenticate = Authenticator(_key_ring(settings, secrets), allow_anonymous=settings.allow_anonymous)
    router = _build_router(settings)
    drain = Drain()
    door = Door(
        authenticate,
        Limiter(_limit_rules(settings)),
        trusted_hops=settings.rate_limit.trusted_hops,
        concurrent_per_key=settings.rate_limit.concurrent_per_key,
    )

    @cache
    def upstreams() -> "Upstreams":
        with _importing():
            from chromagent.serving import Upstreams  # noqa: PLC0415
        return Upstreams(settings, secrets, transport=transport, files=files)

    def build_provider(name: str) -> "Provider":
        with _importing():
            return upstreams().build_provider(name)

    @cache
    def chat() -> "ChatCompletions":
        with _importing():
            from chromagent.serving import build_chat  # noqa: PLC0415
        return build_chat(settings, upstreams(), router, providers, door, drain)

    def answer_chat(request: Request, reply: Reply, outcome: Outcome) -> Awaitable[None]:
        return chat()(request, reply, outcome)

    enabled = [name for name, backend in settings.backends.items() if backend.enabled]
    providers = _Later(enabled, build_provider)
    probed = _Later(enabled, lambda name: Probed(providers[name], settings.backends[name].locations))
    models = Models(router, providers, door)
    health = Health(probed, door, lambda: chat().open_streams)
    cors = CorsRules(settings.cors.origins, credentials=settings.cors.credentials)
    line = RequestLine(_trace_project(settings))

    watchdog = Watchdog()

    def begin() -> None:
        drain.install()
        watchdog.install()

    about = {"/models": {"GET": models.list}, "/health": {"GET": health, "HEAD": health}}
    named = {"/models/": {"GET": models.retrieve}}
    everything = RouteTable({"/chat/completions": {"POST": answer_chat}, **about}, named)
    face = partial(
        Face,
        cors=cors,
        line=line,
        error_done=settings.stream.error_done,
        allowed_hosts=frozenset(host.lower() for host in settings.allowed_hosts),
        refuses_foreign_pages=settings.client_keys is None and settings.allow_anonymous,
    )
    return App(
        chat=face(everything, begin=begin if listens else _nothing),
        models=face(RouteTable(about, named)),
        backends=probed,
    )


class _Later(Mapping[str, T]):
    """Things by name, each built when it is first asked for."""

    def __init__(self, names: Iterable[str], build: Callable[[str], T]) -> None:
        self._names = dict.fromkeys(names)
        self._build = build
        self._built: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._built:
            if name not in self._names:
                raise KeyError(name)
            self._built[name] = self._build(name)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@contextmanager
def _importing() -> Generator[None]:
    """Collect no garbage while importing: modules are never garbage. Where the start froze its own, these are frozen too: no later
    collection looks at them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count():
            gc.freeze()
        if enabled:
            gc.enable()


def _nothing() -> None:
    """Do nothing."""


def _key_ring(settings: Settings, secrets: SecretSource) -> KeyRing | None:
    reference = settings.client_keys
    return None if reference is None else KeyRing(lambda: secrets.read(reference), max_stale=settings.client_keys_max_stale)


def _limit_rules(settings: Settings) -> LimitRules:
    limits = settings.rate_limit
    return LimitRules(
        per_ip=limits.per_ip,
        per_key=limits.per_key,
        tokens_per_key=limits.tokens_per_key,
        storage=limits.storage,
        open_when_away=limits.when_away == "open",
        weights={**limits.weights},
        reserve_full=limits.reserve == "full",
        timeout=settings.timeout,
    )


def _trace_project(settings: Settings) -> str | None:
    """Cloud Logging joins lines to traces by the project's name, which the platform tells in no header."""
    named = [backend.project for backend in settings.backends.values() if backend.enabled and backend.project]
    return settings.log.project or config.environment().get("GOOGLE_CLOUD_PROJECT") or next(iter(named), None)


def _build_router(settings: Settings) -> Router:
    backends = {
        name: RoutedBackend(
            family=_FAMILIES[backend.provider],
            locations=backend.locations,
            model_mapping={
                public: (spelling,) if isinstance(spelling, str) else spelling for public, spelling in backend.model_mapping.items()
            },
        )
        for name, backend in settings.backends.items()
        if backend.enabled
    }
    return Router(backends, settings.default_backend)
