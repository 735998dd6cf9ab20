"""`python -m chromagent.local.vertex --port 8090`: serve the simulation on loopback."""

import argparse

import uvicorn

from chromagent.local.vertex.app import create_app


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m chromagent.local.vertex", description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--words-per-second", type=float, default=40.0, help="pace of streams; 0 for no delay")
    options = parser.parse_args()
    uvicorn.run(create_app(words_per_second=options.words_per_second), host="127.0.0.1", port=options.port, log_level="warning")


main()
