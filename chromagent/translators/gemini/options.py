"""The switches of this wire format, as an owner sets them in `backends.<name>.options` (docs/options.md). Defaults are safe."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from chromagent.codec import JsonObject

Threshold: TypeAlias = Literal["OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE"]
Category: TypeAlias = Literal[
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_CIVIC_INTEGRITY",
    "HARM_CATEGORY_JAILBREAK",
    "HARM_CATEGORY_IMAGE_HATE",
    "HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT",
    "HARM_CATEGORY_IMAGE_HARASSMENT",
    "HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT",
]


class Safety(Struct, frozen=True, forbid_unknown_fields=True):
    """What the operator demands of safety settings."""

    floor: Threshold | Mapping[Category, Threshold] | None = None
    """Weakest threshold, for all categories or for each; sent with every request. A client may only be stricter."""
    fixed: bool = False
    """Clients may send no safety settings at all: they are a 400."""


class ModelArmor(Struct, frozen=True, forbid_unknown_fields=True):
    """Model Armor templates, as full names `projects/P/locations/L/templates/T`."""

    prompt_template: str | None = None
    """Screens what is asked."""
    response_template: str | None = None
    """Screens what is answered."""

    def config(self) -> JsonObject:
        """Return `modelArmorConfig`; empty without templates."""
        names = {"promptTemplateName": self.prompt_template, "responseTemplateName": self.response_template}
        return {member: name for member, name in names.items() if name}


class GeminiOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How to speak to Gemini, and what to make of its answers."""

    surface: Literal["vertex", "express", "developer"] = "vertex"
    """The project's Vertex AI; Vertex AI by key without a project; the Gemini Developer API."""
    api_version: str = ""
    """Version in the path; by default v1beta1 on Vertex AI and v1beta on the Developer API. On v1 no ids of calls are sent."""
    response_model: Literal["upstream", "requested"] = "upstream"
    """Which name answers carry: the exact one that Google reports, or the one that was asked for."""
    mid_system: Literal["hoist", "inline"] = "hoist"
    """System messages after the first user message: moved to the front, or kept in line as marked user text."""
    http_media: Literal["pass", "fetch", "reject"] = "pass"
    """Media by https URL: Google fetches, the gateway fetches, or neither."""
    missing_tool_results: Literal["synthesize", "error"] = "synthesize"
    """A call without a result: an error result is made up, or the request is a 400."""
    include_thoughts: Literal["auto", "always", "never"] = "auto"
    """Whether thoughts are asked for where the client does not say."""
    reasoning_field: Literal["reasoning_content", "reasoning", "both", "none"] = "reasoning_content"
    """Where thoughts appear."""
    dummy_signature: Literal["base64", "plain", "off"] = "base64"
    """Calls without a thought signature get the value that Google documents for foreign calls, in this spelling."""
    thinking_levels: Mapping[str, tuple[str, ...]] = {}
    """Model id to its thinking levels, lowest first, where the built-in table is wrong: `{"gemini-3.6-flash": ["LOW", "HIGH"]}`."""
    image_detail: Literal["part", "request"] = "part"
    """Where `detail` goes on Gemini 3 and later: to each image, or to the whole request as on older models."""
    tier_transport: Literal["header", "body"] = "header"
    """How `service_tier` is told to Vertex AI."""
    annotation_end: Literal["inclusive", "exclusive"] = "inclusive"
    """Whether `end_index` of an annotation is that of the last character, as OpenAI's types say, or the one after it."""
    schema_mode: Literal["json_schema", "openapi"] = "json_schema"
    """Which fields carry schemas; `openapi` is for endpoints that do not know the newer ones."""
    strict_tools_mode: Literal["validated", "auto"] = "validated"
    """What `strict: true` on a function turns on."""
    stream_tool_args: bool = False
    """Ask Vertex AI to stream the arguments of calls (Gemini 3 and later)."""
    enforce_single_call: bool = True
    """With `parallel_tool_calls: false`, keep only the first call of an answer."""
    metadata_to_labels: bool = False
    """Send `metadata` as labels of the bill."""
    default_labels: Mapping[str, str] = {}
    """Labels of every request (Vertex AI only). Clients may add others, and overwrite none of these."""
    safety: Safety = Safety()
    """`floor` (a threshold such as `BLOCK_ONLY_HIGH`, or one for each category) is sent with every request, and what is weaker is a
    400; with `fixed` set to true, clients may send no safety settings at all."""
    model_armor: ModelArmor = ModelArmor()
    """Templates that screen every request, `prompt_template` and `response_template`, each as `projects/P/locations/L/templates/T`.
    Clients cannot change them. Excludes a `safety` floor: Google takes one of the two."""
    prompt_block: Literal["choice", "error"] = "choice"
    """A blocked prompt is a refusal, or a 400."""
    retry_empty: int = 1
    """How often an empty answer is asked for again."""
    retry_malformed: int = 1
    """How often an answer that ended in a failure is asked for again."""
    continuation: bool = True
    """Go on by further requests where one is too short for the answer (Gemini 4)."""
    max_hops: int = 16
    """Most such requests for one answer."""
    expose_grounding: bool = True
    """Return Google's grounding metadata, which holds the search suggestions that its terms want shown."""
    voices: Mapping[str, str] = {}
    """OpenAI's voice names to Gemini's; names of OpenAI's without an entry become Kore."""
    tool_call_ids: Literal["plain", "sealed"] = "plain"
    """`sealed` puts signatures into the ids of calls, for clients that keep nothing else."""

    def __post_init__(self) -> None:
        if self.model_armor.config() and self.safety.floor is not None:
            raise ValueError("Google takes either model_armor or a safety floor: set one of them")
        if self.model_armor.config() and self.surface == "developer":
            raise ValueError("the Gemini Developer API has no model_armor")

    @property
    def version(self) -> str:
        """The version in the path."""
        return self.api_version or ("v1beta" if self.surface == "developer" else "v1beta1")

    @property
    def sends_ids(self) -> bool:
        """Whether `functionCall.id` exists in this version (wire-gemini §1.4)."""
        return self.version != "v1"
