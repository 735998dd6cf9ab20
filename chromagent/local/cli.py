"""The command line: run, check, keys. Hides argument parsing and turns every expected failure into one clear line."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Final

from chromagent import codec, config
from chromagent.codec import JsonObject
from chromagent.config import ConfigurationError
from chromagent.local import keys
from chromagent.local.processes import StartError
from chromagent.local.run_options import RunOptions
from chromagent.providers import registry

_MOST_DAYS: Final = 36_500


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exits with 2 when it cannot be done, 1 when a check failed."""
    chosen = _parser().parse_args(arguments)
    try:
        status: int = chosen.command(chosen) or 0
    except ConfigurationError as error:
        _fail([f"configuration: {fault}" for fault in error.faults])
    except StartError as error:
        _fail([str(error)])
    except KeyboardInterrupt:
        sys.exit(130)
    else:
        sys.exit(status)


def _fail(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"chromagent: {line}", file=sys.stderr)
    sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chromagent", description="OpenAI's API in front of Gemini and Claude on Vertex AI.")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_run(commands.add_parser("run", help="serve on this machine"))
    check = commands.add_parser("check", help="check the configuration and probe the backends")
    check.set_defaults(command=_check)
    _add_keys(commands.add_parser("keys", help="issue, list, disable and rotate client keys"))
    return parser


def _add_keys(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="command")
    new = commands.add_parser("new", help="print a new key once, and its record or, with --store, put that there")
    new.add_argument("--name", required=True, type=_filled, help="who or what uses the key")
    new.add_argument("--days", type=lambda text: _days(_filled(text), least=1), help="expire after this many days")
    new.add_argument(
        "--models",
        nargs="+",
        default=(),
        type=_filled,
        metavar="PATTERN",
        help="model ids that the key may use, such as 'gemini-*' (default: all)",
    )
    new.add_argument("--requests", type=_filled, metavar="RATE", help="its own limit of requests, such as 60/minute")
    new.add_argument("--tokens", type=_filled, metavar="RATE", help="its own limit of tokens, such as 50000/minute")
    new.add_argument(
        "--buckets", nargs="+", default=(), type=_filled, metavar="NAME", help="Cloud Storage buckets that its requests may name"
    )
    new.add_argument(
        "--resources",
        nargs="+",
        default=(),
        type=_filled,
        metavar="PREFIX",
        help="resources that its requests may name, such as cachedContents or projects/P/locations/L/ragCorpora/123",
    )
    new.set_defaults(command=_new_key)
    for name, text, command in (
        ("list", "list the keys of the store", _list_keys),
        ("disable", "disable a key", _disable_key),
        ("rotate", "rotate a key: print a new one; the old one stays valid for an overlap period", _rotate_key),
    ):
        one = commands.add_parser(name, help=text)
        one.set_defaults(command=command)
        if name != "list":
            one.add_argument("which", type=_filled, help="id of the key, or its name if no other key has it")
    rotating = commands.choices["rotate"]
    rotating.add_argument(
        "--overlap-days",
        type=lambda text: _days(_filled(text), least=0),
        default=keys.OVERLAP_DAYS,
        metavar="N",
        help="how long the old key works",
    )
    rotating.add_argument(
        "--days",
        type=lambda text: _days(_filled(text), least=1),
        metavar="N",
        help="days after which the new key expires (default: when the old one would have)",
    )
    for one in commands.choices.values():
        one.add_argument(
            "--store",
            type=_filled,
            metavar="REFERENCE",
            help="file:/path or projects/…/secrets/…/versions/latest (default: client_keys)",
        )


def _filled(text: str) -> str:
    """Refuse an empty value: it is nearly always a variable that was not set, and an empty limit would be none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the value is empty: give one, or leave the option out")
    return text


def _days(text: str, *, least: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"expected {least} to {_MOST_DAYS} days, not {text}")
    return int(text)


def _add_run(parser: argparse.ArgumentParser) -> None:
    defaults = RunOptions()
    parser.add_argument("--port", type=int, help="where to listen (default: PORT, then the configured port, 8080)")
    upstream = parser.add_mutually_exclusive_group()
    upstream.add_argument("--vertex", action="store_const", const=True, default=None, help="use the real Vertex AI")
    upstream.add_argument("--simulated", dest="vertex", action="store_const", const=False, help="use the simulated Vertex")
    parser.add_argument("--direct", action="store_true", help="no gateway: the chat function itself listens")
    parser.add_argument(
        "--buffer", action="store_true", help="hold answers back until complete, as a gateway without streaming does"
    )
    parser.add_argument("--api-key", metavar="KEY", help="demand this Google API key in x-api-key, which turns the quotas on")
    parser.add_argument("--chat-per-minute", type=int, default=defaults.chat_per_minute, metavar="N")
    parser.add_argument("--models-per-minute", type=int, default=defaults.models_per_minute, metavar="N")
    parser.add_argument(
        "--words-per-second", type=float, default=defaults.words_per_second, metavar="N", help="pace of the simulation"
    )
    parser.set_defaults(command=_run)


def _run(chosen: argparse.Namespace) -> None:
    try:
        from chromagent.local.run import run  # noqa: PLC0415 - needs packages that the other commands do not
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("chromagent"):
            raise
        raise StartError(f"run needs the package '{error.name}': install chromagent[local]") from error
    names = RunOptions.__dataclass_fields__
    run(RunOptions(**{name: getattr(chosen, name) for name in names}))


def _check(chosen: argparse.Namespace) -> int:
    from chromagent.local.check import check  # noqa: PLC0415 - builds the app, which `keys` does not need

    del chosen
    return 0 if check() else 1


def _new_key(chosen: argparse.Namespace) -> None:
    rates = {"requests": chosen.requests, "tokens": chosen.tokens}
    limits = {kind: rate for kind, rate in rates.items() if rate is not None}
    key, record = keys.issue(
        chosen.name,
        days=chosen.days,
        models=chosen.models,
        buckets=chosen.buckets,
        resources=chosen.resources,
        limits=limits,
    )
    if chosen.store is None:
        print(codec.encode_text(record))
    else:
        store = keys.KeyStore(chosen.store)
        asyncio.run(_change(store, lambda records: keys.add(records, record)))
    _show(key)


def _list_keys(chosen: argparse.Namespace) -> None:
    for line in keys.describe(asyncio.run(_store(chosen).read())):
        print(line)


def _disable_key(chosen: argparse.Namespace) -> None:
    asyncio.run(_change(_store(chosen), lambda records: keys.disable(records, chosen.which)))


def _rotate_key(chosen: argparse.Namespace) -> None:
    issued: list[str] = []

    def rotate(records: list[JsonObject]) -> list[JsonObject]:
        key, changed = keys.rotate(records, chosen.which, overlap_days=chosen.overlap_days, days=chosen.days)
        issued.append(key)
        return changed

    asyncio.run(_change(_store(chosen), rotate))
    _show(issued[0])


async def _change(store: keys.KeyStore, change: Callable[[list[JsonObject]], list[JsonObject]]) -> None:
    written = await store.change(change)
    print(f"written to {written}; running gateways see it within five minutes", file=sys.stderr)


def _store(chosen: argparse.Namespace) -> keys.KeyStore:
    reference = chosen.store or config.load(registry.OPTIONS).client_keys
    if reference is None:
        raise StartError("no key store: name one with --store, or configure client_keys")
    return keys.KeyStore(reference)


def _show(key: str) -> None:
    print(f"key (shown once, never stored): {key}", file=sys.stderr)
