"""What must not leave of an upstream's words. Every text that comes from an upstream's error, refusal or header goes through here.

Taken out: credentials, projects, service accounts, hosts of the configuration, addresses inside a network, and buckets that the
client did not name itself. What an upstream says about the request stays, and so do links that help ("Learn more: …").
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, cast

from msgspec import Struct

from chromagent.addresses import is_public
from chromagent.codec import JsonObject, JsonValue

MAX_MESSAGE: Final = 2000
"""Characters."""
_MAX_NAME: Final = 256
_REST_OF_URL: Final = r"[^\s'\"`)>\]]*"
_PLAIN_NAME: Final = re.compile(r"(?:gemini|claude)[a-z0-9.@-]{0,100}")
"""Nearly every model's name; there is nothing in it to take out."""
_OBJECT: Final = re.compile(r"gs://[^\s'\"`)>\],;]*", re.IGNORECASE)
_IPV4: Final = r"\d{1,3}(?:\.\d{1,3}){3}"
_IPV6: Final = rf"[0-9a-f]{{0,4}}(?::[0-9a-f]{{0,4}}){{1,7}}:(?:{_IPV4}|[0-9a-f]{{0,4}})"
_ADDRESS: Final = re.compile(
    rf"(?:https?://)?(?:\[[0-9a-f:.]+\]|(?<![\w.-]){_IPV4}(?![\w-])|(?<![\w:.]){_IPV6}(?![\w:]))(?:%\w+)?(?::\d+)?(?:/{_REST_OF_URL})?",
    re.IGNORECASE,
)
_HEX_OR_DOTS: Final = re.compile(r"[0-9a-f:.]{3,}", re.IGNORECASE)
_SECRETS: Final = (
    (
        re.compile(
            r"\bya29\.[\w.-]+|\bAIza[\w-]{5,}|\bAQ\.[\w-]{5,}|\beyJ[\w-]{8,}(?:\.[\w-]*)*|\b1//[\w-]{10,}|\bGOCSPX-[\w-]+|\bsk-cg-\w+"
        ),
        "[credential]",
    ),
    (re.compile(r"\b(?:Bearer|Basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), "[credential]"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL), "[credential]"),
    (re.compile(r"[\w.+-]{1,100}@[\w.-]{0,100}\.?gserviceaccount(?:\.com)?"), "[service account]"),
    (re.compile(rf"https?://[\w.-]*googleapis\.com{_REST_OF_URL}", re.IGNORECASE), "[upstream]"),
    (
        re.compile(
            rf"(?:https?://)?(?<![\w.-])(?:[\w-]{{1,63}}\.){{1,8}}(?:internal|local|localdomain|corp|lan)(?![\w-]|\.\w)(?::\d+)?(?:/{_REST_OF_URL})?"
            rf"|(?:https?://)?(?<![\w.-])localhost(?![\w-]|\.\w)(?::\d+)?(?:/{_REST_OF_URL})?",
            re.IGNORECASE,
        ),
        "[internal address]",
    ),
    (re.compile(r"projects/[^/\s`'\"]{1,100}/locations/[^/\s`'\"]{1,100}/", re.IGNORECASE), ""),
    (
        re.compile(  # after a mere space only what looks like an id: "your project does not exist" names nothing
            r"\bproject(?:s|[ _](?:number|id))?(?:\s?[/:=#]\s?|\s+(?=[`'\"]?[a-z]*[0-9-]))([`'\"]?)[a-z0-9][a-z0-9:._-]{3,99}\1",
            re.IGNORECASE,
        ),
        "project",
    ),
    (re.compile(r"\b(?:consumers|folders|organizations|billingAccounts)/[\w:.-]+"), "project"),
    (re.compile(r"(?<![\w.-])\d{11,13}(?![\w-]|\.\d)"), "[number]"),  # a project's number, also where nothing says so
)


class Redactor(Struct, frozen=True):
    """Takes out of a text of the upstream what one client must not learn."""

    project: str = ""
    hosts: tuple[str, ...] = ()
    """Hosts that the configuration names, in lower case."""
    secrets: tuple[str, ...] = ()
    """Texts of the configuration that travel with every call, such as the values of additional headers."""
    request: JsonValue = None
    """What the client sent: its own buckets may come back to it."""

    def __call__(self, text: str) -> str:
        """Return the text without it, cut to `MAX_MESSAGE`."""
        text = shorten(text, MAX_MESSAGE)
        for secret in self.secrets:
            text = text.replace(secret, "[credential]")
        for host in self.hosts:
            text = re.sub(
                rf"(?:https?://)?(?<![\w.-]){re.escape(host)}(?![\w-]){_REST_OF_URL}", "[upstream]", text, flags=re.IGNORECASE
            )
        if self.project:
            text = re.sub(rf"projects/{re.escape(self.project)}/locations/[^/\s]{{1,100}}/", "", text)
        for pattern, instead in _SECRETS:
            text = pattern.sub(instead, text)
        if ":" in text or "." in text:
            text = _ADDRESS.sub(_without_internal, text)
        if "gs://" in text.lower():
            text = _OBJECT.sub(self._object, text)
        if len(self.project) > 3:
            text = re.sub(rf"(?<![\w-]){re.escape(self.project)}(?![\w-])", "[project]", text, flags=re.IGNORECASE)
        return text

    def name(self, text: str) -> str:
        """Return the name of a model as the upstream spells it, without what else stands in it."""
        return text if _PLAIN_NAME.fullmatch(text) else self(text[:_MAX_NAME])

    def identifier(self, text: str) -> str:
        """Return an identifier of the upstream; nothing if it holds what must not leave."""
        return text if re.fullmatch(r"[\w.:-]{1,128}", text, re.ASCII) and self(text) == text else ""

    def members(self, document: JsonObject) -> JsonObject:
        """Return the plain members of an object, their texts cleaned."""
        return {
            name: self(value) if isinstance(value, str) else value
            for name, value in document.items()
            if value is None or isinstance(value, str | bool | int | float)
        }

    def _object(self, match: "re.Match[str]") -> str:
        named = match[0].rstrip(".:!?")
        sent = len(named) > len("gs://") and any(named in text for text in texts_of(self.request))
        return match[0] if sent else "[object]"


def shorten(text: str, size: int) -> str:
    """Cut a text, and leave out the word that the cut goes through: half of a secret is not recognised as one."""
    return text if len(text) <= size else re.sub(r"\S{0,300}\Z", "", text[:size])


def texts_of(value: JsonValue) -> Iterator[str]:
    """Give every text of a JSON document, names of members included."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            members = cast("JsonObject", one)
            yield from members
            waiting += members.values()
        elif isinstance(one, list):
            waiting += cast("list[JsonValue]", one)


def _without_internal(match: "re.Match[str]") -> str:
    """Leave addresses of the public internet, and what only looks like an address, such as a version or a time."""
    text = match[0]
    found = _HEX_OR_DOTS.search(text.partition("://")[2] or text)
    if found is None:
        return text
    host = found[0]
    for candidate in (host, host.rpartition(":")[0]):  # with a port, and without
        if _is_address(candidate):
            return text if is_public(candidate) else "[internal address]"
    return text


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return text.strip(":") != ""
