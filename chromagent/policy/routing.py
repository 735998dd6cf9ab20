"""Model → ordered routes. Hides mappings, name families, where each backend may be called, and which routes cool down."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from chromagent.catalog import Family, family_of
from chromagent.errors import GatewayError, ModelNotFound
from chromagent.policy import model_patterns

MAX_COOLDOWN: Final = 60.0
"""Seconds."""
MAX_COOLDOWNS: Final = 1024
MOST_KNOWN: Final = 256
"""Names of models whose routes are kept; they come from clients."""


class Route(NamedTuple):
    """One way to serve a model."""

    backend: str
    model: str
    """The model as the backend's owner or the client spells it; its provider resolves it."""
    location: str

    def __str__(self) -> str:
        return f"{self.backend}/{self.model}@{self.location}"


class RoutedBackend(NamedTuple):
    """What routing knows of a backend."""

    family: Family
    locations: tuple[str, ...]
    model_mapping: Mapping[str, tuple[str, ...]]


class Router:
    """Decides by configured mapping, else by the family that the name shows, else by the default backend."""

    def __init__(self, backends: Mapping[str, RoutedBackend], default: str) -> None:
        self._backends = backends
        self._default = default
        self._known = lru_cache(MOST_KNOWN)(self._find)
        self._allowed = lru_cache(MOST_KNOWN)(self._is_allowed)

    @property
    def mapped_models(self) -> dict[str, str]:
        """The public ids that the owner mapped, each with its backend."""
        return {public: name for name, backend in self._backends.items() for public in backend.model_mapping}

    def routes(self, model: str) -> tuple[Route, ...]:
        """Return the routes in order of preference. Raises `ModelNotFound` when no enabled backend serves the model."""
        name = model.strip()
        if not (found := self._known(name)):
            raise ModelNotFound(f"The model '{name}' does not exist or you do not have access to it.")
        return found

    def allows(self, patterns: tuple[str, ...], model: str) -> bool:
        """Say whether a key with these patterns may use a model, as the client spells it; no patterns allow all."""
        return not patterns or self._allowed(patterns, model.strip())

    def _is_allowed(self, patterns: tuple[str, ...], model: str) -> bool:
        mapped = any(model in backend.model_mapping for backend in self._backends.values())
        return model_patterns.allows(patterns, model, self._backends, mapped=mapped)

    def _find(self, model: str) -> tuple[Route, ...]:
        return tuple(
            Route(backend, target, location)
            for backend, target in self._targets(model)
            for location in self._backends[backend].locations
        )

    def backend_for(self, family: Family) -> str | None:
        """Return the backend that serves a family: the default one if it does, else the first."""
        names = [name for name, backend in self._backends.items() if backend.family == family]
        if self._default in names:
            return self._default
        return names[0] if names else None

    def _targets(self, model: str) -> list[tuple[str, str]]:
        for name, backend in self._backends.items():
            if (mapped := backend.model_mapping.get(model)) is not None:
                return [self._target(name, spelling) for spelling in mapped]
        head, _, rest = model.partition("/")
        if head in self._backends and rest:
            return [(head, rest)]
        family = family_of(model)
        name = self._default if family is None else self.backend_for(family)
        return [(name, model)] if name is not None and name in self._backends else []

    def _target(self, own: str, spelling: str) -> tuple[str, str]:
        """Read one mapping value: `backend/model`, or a model of the backend whose mapping it is."""
        head, _, rest = spelling.partition("/")
        return (head, rest) if rest and head in self._backends else (own, spelling)


class Cooldowns:
    """Which models at which locations asked to be left alone for a while.

    That changes the order of routes and nothing else: where all routes are cooling down, the one that ends first is tried, so that
    one caller's 429 never refuses another caller's request.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[Route, float] = {}

    def order(self, routes: Sequence[Route]) -> Sequence[Route]:
        """Return the routes in the order to try them."""
        if not self._until:
            return routes
        now = self._clock()
        return sorted(routes, key=lambda route: max(0.0, self._until.get(route, now) - now))

    def note(self, route: Route, error: GatewayError) -> None:
        """Let a route cool down that answered 429 or 503 with a wait."""
        if error.status in (429, 503) and error.retry_after:
            now = self._clock()
            if len(self._until) >= MAX_COOLDOWNS:  # names of models come from clients
                self._until = {other: until for other, until in self._until.items() if until > now}
            if len(self._until) < MAX_COOLDOWNS:
                self._until[route] = now + min(MAX_COOLDOWN, error.retry_after)
