"""The command line: run, check, keys. Hides argument parsing and turns every expected failure into one clear line."""

import argparse
import sys
from collections.abc import Sequence

from chromagent import codec
from chromagent.config import ConfigurationError
from chromagent.local import keys
from chromagent.local.processes import StartError
from chromagent.local.run import RunOptions, run


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
    key_commands = commands.add_parser("keys", help="issue client keys").add_subparsers(required=True, metavar="command")
    new = key_commands.add_parser("new", help="print a new key once, and its record for the key document")
    new.add_argument("--name", required=True, help="who or what uses the key")
    new.add_argument("--days", type=int, help="expire after this many days")
    new.add_argument(
        "--models", nargs="*", default=(), metavar="PATTERN", help="model ids that the key may use, such as 'gemini-*'"
    )
    new.set_defaults(command=_new_key)
    return parser


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
    names = RunOptions.__dataclass_fields__
    run(RunOptions(**{name: getattr(chosen, name) for name in names}))


def _check(chosen: argparse.Namespace) -> int:
    from chromagent.local.check import check  # noqa: PLC0415 - builds the app, which `keys` does not need

    del chosen
    return 0 if check() else 1


def _new_key(chosen: argparse.Namespace) -> None:
    key, record = keys.issue(chosen.name, days=chosen.days, models=tuple(chosen.models))
    print(f"key (shown once, never stored): {key}", file=sys.stderr)
    print(codec.encode_text(record))
