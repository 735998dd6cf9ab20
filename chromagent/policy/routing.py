"""Model → ordered routes. Hides mappings, name families and where each backend may be called."""

from collections.abc import Mapping
from typing import NamedTuple

from chromagent.catalog import Family, family_of
from chromagent.errors import ModelNotFound


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

    @property
    def mapped_models(self) -> dict[str, str]:
        """The public ids that the owner mapped, each with its backend."""
        return {public: name for name, backend in self._backends.items() for public in backend.model_mapping}

    def routes(self, model: str) -> list[Route]:
        """Return the routes in order of preference. Raises `ModelNotFound` when no enabled backend serves the model."""
        name = model.strip()
        found: list[Route] = []
        for backend, target in self._targets(name):
            found += [Route(backend, target, location) for location in self._backends[backend].locations]
        if not found:
            raise ModelNotFound(f"The model '{name}' does not exist or you do not have access to it.")
        return found

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
