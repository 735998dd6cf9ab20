"""Takes the code fence off JSON that a model put into one although it was asked not to. Works on pieces of any size.

Source: wire-anthropic §2.7.3.
"""

from typing import Final

_FENCE: Final = "```"
_LONGEST_OPENING: Final = 19
"""A fence and a language name; a longer first line is text."""
_CLOSING: Final = " \t\r\n`"


class FenceStripper:
    """Text in, text without the fence out. Nothing is held back but what might be a fence."""

    def __init__(self) -> None:
        self._held = ""
        self._begun = False
        self._fenced = False

    def feed(self, text: str) -> str:
        """Return what is certain to be content."""
        self._held += text
        if not self._begun and not self._begin():
            return ""
        content = self._held.rstrip(_CLOSING)
        self._held = self._held[len(content) :]
        return content

    def finish(self) -> str:
        """Return what was held back, less a closing fence."""
        if not self._begun:
            return self._held
        rest, self._held = self._held, ""
        stripped = rest.rstrip()
        if self._fenced and stripped.endswith(_FENCE):
            return stripped.removesuffix(_FENCE).rstrip()
        return rest

    def _begin(self) -> bool:
        """Decide whether the text opens with a fence, as soon as that is known."""
        start = self._held.lstrip()
        if not start or _FENCE.startswith(start):
            return False
        if start.startswith(_FENCE):
            line, end, rest = start.partition("\n")
            if not end and len(line) <= _LONGEST_OPENING:
                return False
            if end and len(line) <= _LONGEST_OPENING:
                self._fenced = True
                self._held = rest
        self._begun = True
        return True
