"""What each policy adds to a request: CPU time within one process, candidates interleaved in one run, upstream answered in memory.

`python tools/bench/policies.py [--redis redis://127.0.0.1:6379/0]`; figures are medians, as shares of the bare request.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx

from chromagent import codec, config
from chromagent.app import create_app
from chromagent.local import keys

ROUNDS = 40
BATCH = 50
BODY = codec.encode({"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "hello " * 50}]})
ANSWER = {
    "candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"totalTokenCount": 5},
}


def candidates(redis: str | None) -> dict[str, dict[str, Any]]:
    many = {"per_ip": "1000000/minute", "per_key": "1000000/minute"}
    found: dict[str, dict[str, Any]] = {
        "bare": {"allow_anonymous": True},
        "client key": {"client_keys": "env:BENCH_KEYS"},
        "limits of requests, memory": {"allow_anonymous": True, "rate_limit": many},
        "limits of tokens, memory": {"allow_anonymous": True, "rate_limit": {"tokens_per_key": "100000000/minute"}},
        "response cache, hit": {"allow_anonymous": True, "cache": {"enabled": True}},
    }
    if redis:
        found["limits of requests, Redis"] = {"allow_anonymous": True, "rate_limit": {**many, "storage": redis}}
        tokens = {"tokens_per_key": "100000000/minute", "storage": redis}
        found["limits of tokens, Redis"] = {"allow_anonymous": True, "rate_limit": tokens}
    return found


async def request(app: Any, headers: list[tuple[bytes, bytes]]) -> int:
    status = 0
    told = False

    async def receive() -> dict[str, Any]:
        nonlocal told
        if told:
            await asyncio.sleep(60)
        told = True
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers, "query_string": b""}
    await app(scope, receive, send)
    return status


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis")
    chosen = candidates(parser.parse_args().redis)
    key, record = keys.issue("bench")
    os.environ["BENCH_KEYS"] = codec.encode_text({"keys": [record]})
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {key}".encode())]
    backends = {name: {"auth": "none", "project": "p"} for name in ("vertex-gemini", "vertex-anthropic")}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=ANSWER))
    apps = {
        name: create_app(config.read({"backends": backends, "log": {"level": "error"}, **fields}), transport=transport)
        for name, fields in chosen.items()
    }
    spent: dict[str, list[float]] = {name: [] for name in apps}
    for number in range(ROUNDS + 2):
        for name, app in apps.items():
            start = time.process_time()
            for _ in range(BATCH):
                if await request(app, headers) != 200:
                    raise SystemExit(f"{name}: a request failed")
            if number >= 2:
                spent[name].append((time.process_time() - start) / BATCH * 1e6)
    bare = statistics.median(spent["bare"])
    for name, found in spent.items():
        median = statistics.median(found)
        print(f"{name:<28} {median:8.0f} µs  {median - bare:+7.0f} µs  {(median / bare - 1) * 100:+6.1f} %")


if __name__ == "__main__":
    asyncio.run(main())
