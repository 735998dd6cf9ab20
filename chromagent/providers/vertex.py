"""The shared shell of all backends on Vertex AI. Hides hosts, headers, identity, and what a model was found to refuse."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from chromagent import __version__, codec
from chromagent.errors import Misconfigured
from chromagent.providers.exchange import VertexExchange
from chromagent.providers.memory import BoundedMemory
from chromagent.providers.protocol import Ask, Backend, Format, Report
from chromagent.translators.protocol import ONCE, Call, Media, ModelFacts, Translator
from chromagent.upstream.client import UpstreamClient, UpstreamRequest
from chromagent.upstream.credentials import UpstreamCredentials

if TYPE_CHECKING:
    from chromagent.upstream.remote_files import RemoteFile

REPAIR_MEMORY: Final = 3600.0
"""Seconds for which a model at a location is remembered to refuse something."""
MEMORY_SIZE: Final = 20_000
_NAMES: Final = {"user-agent": f"chromagent/{__version__}", "x-goog-api-client": f"chromagent/{__version__}"}
_JSON: Final = {"content-type": "application/json; charset=utf-8"}
_OF_DOCUMENTS: Final = {**_NAMES, **_JSON, "accept": "application/json", "accept-encoding": "gzip"}
_OF_STREAMS: Final = {**_NAMES, **_JSON, "accept": "text/event-stream", "accept-encoding": "identity"}
"""A compressing hop would delay events, so streams ask for none."""

MediaFetcher: TypeAlias = "Callable[[Mapping[str, str]], Awaitable[Mapping[str, RemoteFile]]]"
"""URLs with their places in the request → files."""


def host_of(location: str) -> str:
    """Return scheme and host that serve a location (wire-gemini §1.2, wire-anthropic §1.1)."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if "-" in location:
        return f"https://{location}-aiplatform.googleapis.com"
    return f"https://aiplatform.{location}.rep.googleapis.com"


class VertexProvider:
    """One backend: its address, its identity, and what its models were found to refuse."""

    def __init__(
        self,
        backend: Backend,
        translator: Translator,
        wire: Format,
        client: UpstreamClient,
        credentials: UpstreamCredentials,
        fetch: MediaFetcher,
    ) -> None:
        self.backend = backend
        self.translator = translator
        self.wire = wire
        self.client = client
        self.credentials = credentials
        self._fetch = fetch
        self._memory = BoundedMemory(MEMORY_SIZE)
        self._refusals: dict[tuple[str, str], dict[str, float]] = {}
        self._additional = {name.lower(): value for name, value in backend.additional_headers.items()}

    def begin(self, ask: Ask, model: str, location: str, report: Report) -> VertexExchange:
        """Begin one request; nothing is sent yet."""
        return VertexExchange(self, ask, model, location, report)

    def describe(self, model: str) -> ModelFacts:
        """Tell what a model can do."""
        return self.translator.describe(model)

    async def probe(self, location: str) -> None:
        """Count a few tokens: free, and shows credentials, project, location and API."""
        path, body = self.wire.probe(await self.project(), location)
        headers = await self.headers(stream=False)
        reply = await self.client.post(UpstreamRequest(self.address(location) + path, headers, codec.encode(body), 10.0))
        if reply.status >= 300:
            raise self.translator.error(reply.status, reply.headers, reply.content)

    async def project(self) -> str:
        """Return the project to bill, configured or that of the credentials."""
        project = self.backend.project or await self.credentials.project()
        if not project and self.backend.needs_project:
            raise Misconfigured(f"Backend '{self.backend.name}' has no project: set its `project`.")
        return project or ""

    def address(self, location: str) -> str:
        """Return scheme, host and path prefix."""
        return self.backend.base_url or host_of(location)

    async def headers(self, *, stream: bool) -> dict[str, str]:
        """Return the headers that every call carries, names in lower case."""
        kind = _OF_STREAMS if stream else _OF_DOCUMENTS
        return {**kind, **await self.credentials.headers(), **self._additional}

    async def fetch(self, urls: Mapping[str, str]) -> Mapping[str, Media]:
        """Fetch remote files."""
        return {url: Media(*file) for url, file in (await self._fetch(urls)).items()}

    def credentials_refused(self) -> None:
        """Tell that the upstream answered 401."""
        self.credentials.refused()

    def call(self, ask: Ask, model: str, location: str, project: str) -> Call:
        """Put together what the translator may know, with the repairs that this model at this location needed lately."""
        now = asyncio.get_running_loop().time()
        refused = self._refusals.get((location, model), {})
        return Call(
            request=ask.request,
            model=model,
            id=ask.id,
            created=ask.created,
            project=project,
            location=location,
            strict=self.backend.strict,
            betas=ask.betas,
            repairs=frozenset(repair for repair, until in refused.items() if until > now),
            gcs_buckets=ask.gcs_buckets,
            allowed_resources=self.backend.allowed_resources + ask.allowed_resources,
            memory=self._memory,
        )

    def remember(self, location: str, model: str, repair: str) -> None:
        """Remember for an hour what a model at a location refused, unless it concerns one conversation only."""
        if repair.startswith(ONCE):
            return
        until = asyncio.get_running_loop().time() + REPAIR_MEMORY
        self._refusals.setdefault((location, model), {})[repair] = until
