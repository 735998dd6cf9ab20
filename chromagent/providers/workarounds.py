"""What is remembered of upstream complaints: the workarounds that requests to a model at a location get before it complains again.

Content of one caller must not change the requests of others, so that a workaround is remembered once two callers (two key ids) had
the complaint, and it helped both. Anonymous callers are one caller, because nobody can tell them apart: without keys nothing is
remembered, and each request that needs a workaround costs an attempt more. Workarounds of one conversation are never remembered.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from chromagent.translators.protocol import ONCE

CALLERS: Final = 2
"""Different callers that a workaround must have helped."""
TTL: Final = 3600.0
"""Seconds for which a workaround is remembered, and for which what one caller found counts."""
MAX_MODELS: Final = 256
"""Models at locations of one backend; their names come from clients."""
MAX_WORKAROUNDS: Final = 16
"""Of one model at one location; parts of their names come from clients too."""


class _Evidence(Struct):
    """Who needed one workaround lately."""

    callers: set[str]
    expires_at: float


class LearnedWorkarounds:
    """The memory of one backend in one worker, bounded: the models that were longest not asked for are forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._models: OrderedDict[tuple[str, str], OrderedDict[str, _Evidence]] = OrderedDict()

    def of(self, location: str, model: str) -> frozenset[str]:
        """Return the workarounds that a request to a model at a location gets from the beginning."""
        if (known := self._models.get((location, model))) is None:
            return frozenset()
        now = self._clock()
        return frozenset(name for name, one in known.items() if len(one.callers) >= CALLERS and one.expires_at > now)

    def note(self, location: str, model: str, name: str, caller_id: str) -> None:
        """Note that a complaint which one caller got was gone with a workaround."""
        if name.startswith(ONCE):
            return
        known = self._models.setdefault((location, model), OrderedDict())
        self._models.move_to_end((location, model))
        now = self._clock()
        evidence = known.pop(name, None)
        if evidence is None or evidence.expires_at <= now:
            evidence = _Evidence(set(), now + TTL)
        if len(evidence.callers) < CALLERS:
            evidence.callers.add(caller_id)
            if len(evidence.callers) == CALLERS:
                evidence.expires_at = now + TTL
        known[name] = evidence
        if len(known) > MAX_WORKAROUNDS:
            known.popitem(last=False)
        if len(self._models) > MAX_MODELS:
            self._models.popitem(last=False)
