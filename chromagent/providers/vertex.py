"""The shared shell of all backends on Vertex AI. Hides hosts, headers, identity, and what a model was found to refuse."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from chromagent import __version__, codec
from chromagent.codec import JsonValue
from chromagent.errors import Misconfigured
from chromagent.providers.exchange import VertexExchange
from chromagent.providers.protocol import Ask, Backend, Format, Report
from chromagent.providers.reasoning_state import ReasoningStateCache
from chromagent.providers.workarounds import LearnedWorkarounds
from chromagent.translators.protocol import Call, Media, ModelFacts, Translator
from chromagent.translators.redaction import Redactor
from chromagent.upstream.client import UpstreamClient, UpstreamRequest
from chromagent.upstream.credentials import UpstreamCredentials

if TYPE_CHECKING:
    from chromagent.upstream.remote_files import MemoryShare, RemoteFile

LEAST_SECRET: Final = 8
"""Characters of the value of an additional header; shorter ones, such as "true", stand in many a text."""
_NAMES: Final = {"user-agent": f"chromagent/{__version__}", "x-goog-api-client": f"chromagent/{__version__}"}
_JSON: Final = {"content-type": "application/json; charset=utf-8"}
_OF_DOCUMENTS: Final = {**_NAMES, **_JSON, "accept": "application/json", "accept-encoding": "gzip"}
_OF_STREAMS: Final = {**_NAMES, **_JSON, "accept": "text/event-stream", "accept-encoding": "identity"}
"""A compressing hop would delay events, so streams ask for none."""

MediaFetcher: TypeAlias = "Callable[[Mapping[str, str], MemoryShare | None], Awaitable[Mapping[str, RemoteFile]]]"
"""URLs with their places in the request, and what counts the memory of that request → files."""


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
        reasoning_states: ReasoningStateCache,
    ) -> None:
        self.backend = backend
        self.translator = translator
        self.wire = wire
        self.client = client
        self.credentials = credentials
        self._fetch = fetch
        self._reasoning_states = reasoning_states
        self._workarounds = LearnedWorkarounds(time.monotonic)
        host = urlsplit(backend.base_url or "").hostname
        self._hosts = (host,) if host else ()
        self._secrets = tuple(value for value in backend.additional_headers.values() if len(value) >= LEAST_SECRET)
        self._additional = {name.lower(): value for name, value in backend.additional_headers.items()}

    def begin(self, ask: Ask, model: str, location: str, report: Report) -> VertexExchange:
        """Begin one request; nothing is sent yet."""
        return VertexExchange(self, ask, model, location, report)

    def describe(self, model: str) -> ModelFacts:
        """Tell what a model can do."""
        return self.translator.describe(model)

    async def probe(self, location: str) -> None:
        """Count a few tokens: free, and shows credentials, project, location and API."""
        project = await self.project()
        path, body = self.wire.probe(project, location)
        headers = await self.headers(stream=False)
        reply = await self.client.post(UpstreamRequest(self.address(location) + path, headers, codec.encode(body), 10.0))
        if reply.status >= 300:
            raise self.translator.error(reply.status, reply.headers, reply.content, self._redactor(project))

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

    async def fetch(self, urls: Mapping[str, str], share: "MemoryShare | None") -> Mapping[str, Media]:
        """Fetch remote files."""
        return {url: Media(*file) for url, file in (await self._fetch(urls, share)).items()}

    def credentials_refused(self, sent: Mapping[str, str]) -> None:
        """Report that the upstream answered 401 to a request with these headers."""
        self.credentials.refused(sent)

    def _redactor(self, project: str, request: JsonValue = None) -> Redactor:
        return Redactor(project, self._hosts, self._secrets, request)

    def call(self, ask: Ask, model: str, location: str, project: str) -> Call:
        """Put together what the translator may know, with the workarounds that this model at this location needed lately."""
        return Call(
            request=ask.request,
            model=model,
            id=ask.id,
            created=ask.created,
            project=project,
            location=location,
            strict=self.backend.strict,
            betas=ask.betas,
            repairs=self._workarounds.of(location, model),
            gcs_buckets=ask.gcs_buckets,
            reasoning_state=self._reasoning_states.of_caller(ask.caller),
            redact=self._redactor(project, ask.request),
            allowed_resources=self.backend.allowed_resources + ask.allowed_resources,
        )

    def remember(self, location: str, model: str, workaround: str, caller_id: str) -> None:
        """Note that a workaround helped one caller."""
        self._workarounds.note(location, model, workaround, caller_id)
