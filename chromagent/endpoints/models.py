"""`GET /v1/models` and `GET /v1/models/{id}`: what the caller may use, and what becomes of each parameter there."""

from collections.abc import Mapping

from chromagent import telemetry
from chromagent.catalog import MODELS, OWNERS, family_of
from chromagent.codec import JsonObject
from chromagent.endpoints.asgi import Reply, Request
from chromagent.endpoints.request_line import Outcome
from chromagent.errors import GatewayError, ModelNotFound
from chromagent.policy.admission import Door
from chromagent.policy.authentication import Caller
from chromagent.policy.routing import Router
from chromagent.providers.protocol import Provider
from chromagent.schema.models import to_list, to_model


class Models:
    """The endpoint. The catalog's models of every enabled family, and the owner's mappings."""

    def __init__(self, router: Router, providers: Mapping[str, Provider], door: Door) -> None:
        self._router = router
        self._providers = providers
        self._door = door
        self._models: dict[str, JsonObject] | None = None

    async def list(self, request: Request, reply: Reply, outcome: Outcome) -> None:
        """Answer with all models that this caller may use."""
        caller = await self._admit(request, reply, outcome)
        await reply.json(200, to_list([model for name, model in self._known().items() if self._router.allows(caller.models, name)]))

    async def retrieve(self, request: Request, reply: Reply, outcome: Outcome, name: str) -> None:
        """Answer with one model. Raises `ModelNotFound`; chat may still pass an unknown id through."""
        caller = await self._admit(request, reply, outcome)
        await reply.json(200, self._find(name, caller))

    async def _admit(self, request: Request, reply: Reply, outcome: Outcome) -> Caller:
        outcome.operation = "models"
        admission = outcome.admission = await self._door.admit(request.headers, request.peer, "models")
        reply.headers |= admission.headers
        return admission.caller

    def _find(self, name: str, caller: Caller) -> JsonObject:
        model = self._known().get(name)
        if model is None or not self._router.allows(caller.models, name):
            raise ModelNotFound(f"The model '{name}' does not exist or you do not have access to it.")
        return model

    def _known(self) -> dict[str, JsonObject]:
        """Make the list once: it depends on the configuration only."""
        if self._models is None:
            mapped = self._router.mapped_models
            self._models = self._describe_mapped() | {
                model.id: self._describe(model.id, backend, created=model.created)
                for model in MODELS
                if model.id not in mapped and (backend := self._router.backend_for(model.family)) is not None
            }
        return self._models

    def _describe_mapped(self) -> dict[str, JsonObject]:
        """Describe the models that the operator mapped. One that no enabled backend serves is left out, and logged."""
        found: dict[str, JsonObject] = {}
        for name, backend in self._router.mapped_models.items():
            try:
                found[name] = self._describe(name, backend)
            except GatewayError as error:
                telemetry.write_warning(f"the mapped model {name} cannot be served", {"reason": error.message})
        return found

    def _describe(self, name: str, backend: str, *, created: int = 0) -> JsonObject:
        route = self._router.routes(name)[0]
        facts = self._providers[route.backend].describe(route.model)
        family = family_of(route.model)
        extension: JsonObject = {
            "backend": backend,
            "context_window": facts.context_window,
            "max_output_tokens": facts.max_output_tokens,
            "parameters": facts.parameters,
        }
        return to_model(name, created=created, owned_by=OWNERS[family] if family else backend, extension=extension)
