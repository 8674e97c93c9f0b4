#!/usr/bin/env bash
# One function with its golden event, as `aws lambda invoke` would:  infra/scripts/invoke.sh FUNCTION [EVENT FILE]
# Against a running `make watch` when there is one; otherwise it starts data and watch itself, and ends them.
#
#   OXCART_WATCH_PORT   9000
set -euo pipefail

# shellcheck source=infra/scripts/watching.sh
source "$(dirname "${BASH_SOURCE[0]}")/watching.sh"
function=${1:?which function?}
event=${2:-$root/events/$function.json}
[[ -r $event ]] || {
  echo "there is no ${event#"$root/"}; events/ has:" "$(cd "$root/events" && ls ./*.json | sed 's|^\./||; s|\.json$||' | paste -sd ' ')" >&2
  exit 2
}
cargo_lambda
binary=$(python3 -c '
import json, sys
functions = json.load(open(sys.argv[1]))["functions"]
print(next((f["binary"] for f in functions if f["name"] == sys.argv[2]), ""))' "$root/infra/generated/functions.json" "$function")
[[ -n $binary ]] || {
  echo "functions.json has no function $function; make generate?" >&2
  exit 2
}
source=$(ls "$root"/functions/*/src/bin/"$binary.rs")
service=$(basename "$(dirname "$(dirname "$(dirname "$source")")")")

port=${OXCART_WATCH_PORT:-9000}
# A binary of several functions is told which one it is when it starts, so a running watch may have another.
if [[ $binary != "$function" ]] || ! listens "$port"; then
  trap stop_children EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  port=$(free_port)
  start_data "$(free_port)"
  export OXCART_FUNCTION=$function
  (cd "$root" && cargo build --quiet --locked -p "$service" --bin "$binary")
  start_watch "$port"
fi
started=$(date +%s%N)
answer=$(cd "$root" && cargo lambda invoke --invoke-address 127.0.0.1 --invoke-port "$port" --data-file "$event" "$binary")
echo "$answer" | python3 -c '
import json, sys
answer = json.load(sys.stdin)
body = answer.get("body") if isinstance(answer, dict) else None
if isinstance(body, str) and body and not answer.get("isBase64Encoded"):
    try:
        answer["body"] = json.loads(body)
    except ValueError:
        pass
print(json.dumps(answer, indent=2, ensure_ascii=False))
status = answer.get("statusCode", 200) if isinstance(answer, dict) else 200
sys.exit(0 if status < 300 and not (isinstance(answer, dict) and answer.get("batchItemFailures")) else 1)'
echo "$function answered in $((($(date +%s%N) - started) / 1000000)) ms, its start included" >&2
