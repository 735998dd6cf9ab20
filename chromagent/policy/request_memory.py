"""The memory that requests take in one instance: one budget for all, of which one caller gets at most half.

Every request opens a share with its caller's name, adds to it what it is about to keep in memory, and releases it when its answer
has ended:

    with memory.open("caller") as share:
        share.add(len(piece))

What is counted is what was received, not what a header announces: a client that declares 9 MB and sends one byte holds one byte,
and a body without a declared length counts like any other. A request that finds the budget used up is refused and gives back its
own part: nobody waits for memory while holding some, so two requests cannot block each other.
"""

import re
from collections import defaultdict
from types import TracebackType
from typing import Final, Self

from chromagent.errors import GatewayOverloaded, InvalidRequest, MemoryLimited, RequestTooLarge

RETRY_AFTER: Final = 2.0
"""Seconds; most requests end within a few."""
MAX_JSON_VALUES: Final = 500_000
"""Of one body, estimated by its commas and opening brackets, those within texts included.

Each of them costs a model about one token, and few contexts hold more than a million. 10 MB of prose or base64 have fewer than
200,000; 10 MB of `[[],[],` have six million, and take 200 MB once they are Python objects.
"""
COUNTED_FROM: Final = 4096
"""Bytes of a body below which its expansion is not worth counting: 80 such requests take 15 MB at worst."""
BYTES_PER_VALUE: Final = 256
"""Of a value that was parsed and translated: those of short messages take 240, others 30 to 80, a comma in a text none."""
COPIES: Final = 4
"""Of a body whose characters take one byte: the texts, the upstream's request, and what the connection has not sent yet."""
WIDE_COPIES: Final = 8
"""The same where characters may take up to four bytes in memory, beside their UTF-8 form that encoding keeps."""
ESCAPES_FROM: Final = 64 * 1024
"""Bytes of a body below which escaped characters are not looked for: it would be off by 256 kB at most."""
_ESCAPE: Final = re.compile(rb"\\u")
"""As a pattern: `in` takes five times as long."""


def estimated_size(body: bytes) -> int:
    """Return the bytes that a request takes while it is served, from its body, which is not parsed. Takes 1 ms a megabyte.

    Raises `InvalidRequest` for more JSON values than a request may have.
    """
    if len(body) < COUNTED_FROM:
        return len(body)
    values = len(body) - len(body.translate(None, b",[{"))
    if values > MAX_JSON_VALUES:
        raise InvalidRequest(
            f"The request holds about {values} JSON values (commas and brackets); at most {MAX_JSON_VALUES} are allowed. "
            "Send fewer or longer messages.",
            code="too_many_values",
        )
    wide = not body.isascii() or (len(body) >= ESCAPES_FROM and _ESCAPE.search(body) is not None)
    copies = WIDE_COPIES if wide else COPIES
    return len(body) * copies + values * BYTES_PER_VALUE


class RequestMemory:
    """The budget of one instance, in bytes. Belongs to one event loop."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._max_of_caller = max_bytes // 2
        self._by_caller: defaultdict[str, int] = defaultdict(int)
        self.used = 0
        """Bytes that running requests have taken."""

    def open(self, caller: str) -> "RequestShare":
        """Begin to count a request of a caller."""
        return RequestShare(self, caller)

    def take(self, caller: str, size: int, before: int) -> None:
        """Count bytes of a request that holds `before` already. Raises what `RequestShare.add` does."""
        if before + size > self._max_of_caller:
            raise RequestTooLarge(
                f"The request needs {before + size} bytes of memory with its files; at most {self._max_of_caller} are allowed."
            )
        if self._by_caller[caller] + size > self._max_of_caller:
            raise MemoryLimited(
                f"The running requests of this key would take more than {self._max_of_caller} bytes of memory together. "
                "Send fewer large requests at once.",
                retry_after=RETRY_AFTER,
                retryable=False,
            )
        if self.used + size > self._max_bytes:
            raise GatewayOverloaded(retry_after=RETRY_AFTER)
        self.used += size
        self._by_caller[caller] += size

    def give_back(self, caller: str, size: int) -> None:
        """Count bytes no longer."""
        self.used -= size
        left = self._by_caller[caller] - size
        if left:
            self._by_caller[caller] = left
        else:
            del self._by_caller[caller]


class RequestShare:
    """What one request holds. As a context it is given back at the end, or once the last of those who use it too is done."""

    def __init__(self, memory: RequestMemory, caller: str) -> None:
        self._memory = memory
        self.caller = caller
        self.size = 0
        self._users = 1

    def add(self, size: int) -> None:
        """Count bytes. Raises `RequestTooLarge`, `MemoryLimited` or `GatewayOverloaded`, and counts nothing then."""
        self._memory.take(self.caller, size, self.size)
        self.size += size

    def add_body(self, body: bytes) -> None:
        """Count what a body takes beyond its bytes, counted as they came. Raises what `add` does, or `InvalidRequest`."""
        self.add(estimated_size(body) - len(body))

    def retain(self) -> None:
        """Have one more user, who will call `release`."""
        self._users += 1

    def release(self) -> None:
        """Give everything back if nobody else uses it."""
        self._users -= 1
        if self._users == 0:
            self._memory.give_back(self.caller, self.size)
            self.size = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """The request is over."""
        self.release()
