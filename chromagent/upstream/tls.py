"""Whom the worker trusts."""

import ssl
from functools import cache


@cache
def open_trust() -> ssl.SSLContext:
    """Trust whom certifi does: the same authorities on every machine, whatever its image carries. Once a worker: it takes 20 ms."""
    import certifi  # noqa: PLC0415 - not for upstreams of one's own machine

    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
