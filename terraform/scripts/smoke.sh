#!/usr/bin/env bash
# Tries a deployment through its URL: health, and with a client key in CHROMAGENT_KEY the models and a streamed chat.
#   smoke.sh BASE_URL [MODEL]        such as https://llm.example.com/v1
# GOOGLE_API_KEY is what API Gateway asks for, IDENTITY_TOKEN what a function asks for that only lets Google's identities in.
# A new gateway, certificate or revision may need minutes until it answers: ATTEMPTS (default 40) every PAUSE seconds (default 15).
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
url=${1%/}
model=${2:-gemini-3.8-flash}

# Through a file: what stands on a command line can be read by others on the machine.
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
header() { [ -z "$2" ] || printf '%s: %s%s\n' "$1" "${3:-}" "$2" >>"$headers"; }
ask() { curl --silent --show-error --fail-with-body --max-time 120 --header "@$headers" "$@"; }

header X-Serverless-Authorization "${IDENTITY_TOKEN:-}" "Bearer "
header x-api-key "${GOOGLE_API_KEY:-}"

echo "health of $url"
health=$(ask --retry "${ATTEMPTS:-40}" --retry-delay "${PAUSE:-15}" --retry-all-errors "${url%/v1}/health")
case $health in
  *'"status":"ok"'*) ;;
  *) echo "not healthy: $health" >&2 && exit 1 ;;
esac

if [ -z "${CHROMAGENT_KEY:-}" ]; then
  echo "no key in CHROMAGENT_KEY: models and chat were not tried"
  exit 0
fi
header Authorization "$CHROMAGENT_KEY" "Bearer "

echo "models"
ask "$url/models" >/dev/null

echo "a streamed chat with $model"
body=$(printf '{"model": "%s", "stream": true, "max_completion_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]}' "$model")
answer=$(ask --no-buffer --header "Content-Type: application/json" --data "$body" "$url/chat/completions")
case $answer in
  *'data: [DONE]'*) echo "all well" ;;
  *) echo "the stream did not end well: $answer" >&2 && exit 1 ;;
esac
