"""How the answer is to be generated: its limit, its ends, the sampling, and for whom. Hides what each model refuses.

Source: wire-anthropic §2.2 and §2.6.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Final, cast

from chromagent.codec import JsonObject, JsonValue
from chromagent.schema import reading
from chromagent.schema.reading import Place
from chromagent.translators.anthropic.profiles import Profile

_SAMPLING: Final = frozenset({"temperature", "top_p", "top_k"})
_SAFE_USER: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_PHONE: Final = re.compile(r"\d{7,}")


class Generation:
    """Reads the fields of one request. What cannot be sent, or not as asked, is added to the two lists of names."""

    def __init__(self, request: Mapping[str, JsonValue], profile: Profile, ignored: list[str], downgraded: list[str]) -> None:
        self._request = request
        self._profile = profile
        self._ignored = ignored
        self._downgraded = downgraded

    def limit(self) -> int:
        """Return the most tokens of the answer."""
        request, profile = self._request, self._profile
        name = "max_completion_tokens" if "max_completion_tokens" in request else "max_tokens"
        wanted = request.get(name)
        if wanted is None:
            return profile.default_output
        if request.get("max_tokens", wanted) != wanted:
            self._ignored.append("max_tokens")
        if wanted > profile.largest_output:
            self._downgraded.append(name)
        return min(wanted, profile.largest_output)

    def stops(self) -> list[str]:
        """Return the texts that end the answer. Blank ones would be refused."""
        if "stop" not in self._request and "stop_sequences" not in self._request:
            return []
        stop = self._request.get("stop")
        given = [stop] if isinstance(stop, str) else list(stop or [])
        extra = reading.optional(cast("JsonObject", self._request), "stop_sequences", reading.text_or_texts, Place()) or []
        if any(not text.strip() for text in given):
            self._ignored.append("stop")
        return list(dict.fromkeys(text for text in [*given, *extra] if text.strip()))

    def sampling(self, *, thinks: bool, refused: bool) -> JsonObject:
        """Return the sampling parameters to send. `refused` says that the version of the wire has none."""
        if _SAMPLING.isdisjoint(self._request) or self._profile.sampling == "none":
            return {}
        if refused:
            self._ignore("temperature", "top_p", "top_k")
            return {}
        return self._while_thinking() if thinks else self._freely()

    def _while_thinking(self) -> JsonObject:
        top_p = self._request.get("top_p")
        usable = top_p is not None and 0.95 <= top_p < 1
        self._ignore("temperature", "top_k", *(() if usable else ("top_p",)))
        return {"top_p": top_p} if usable else {}

    def _freely(self) -> JsonObject:
        request = self._request
        temperature, top_p, top_k = request.get("temperature"), request.get("top_p"), request.get("top_k")
        sent: JsonObject = {}
        if temperature is not None and temperature != 1:
            sent["temperature"] = min(temperature, 1)
            if temperature > 1:
                self._downgraded.append("temperature")
            self._ignore("top_p")
        elif top_p is not None and top_p != 1:
            sent["top_p"] = top_p
        if top_k is not None:
            sent["top_k"] = reading.integer(top_k, Place(("top_k",)))
        return sent

    def _ignore(self, *names: str) -> None:
        """Name fields that cannot be sent, unless their value asks for nothing."""
        for name in names:
            value = self._request.get(name)
            if value is not None and value != 1 and name not in self._ignored:
                self._ignored.append(name)

    def user(self) -> JsonObject:
        """Return `metadata` with Anthropic's opaque user id: no e-mail address, phone number or name leaves the gateway."""
        given = self._request.get("safety_identifier") or self._request.get("user")
        if not given:
            return {}
        plain = given.replace(".", "").replace(":", "").replace("-", "")
        if not _SAFE_USER.fullmatch(given) or _PHONE.fullmatch(plain):
            given = hashlib.sha256(given.encode()).hexdigest()
        return {"user_id": given}
