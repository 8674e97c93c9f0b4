#!/usr/bin/env bash
# Every function behind cargo-lambda's router, rebuilt as its source changes, over a local data process with the fixtures:
#   infra/scripts/watch.sh [cargo lambda watch arguments]
# Each function is compiled at its first request. There is no authorizer in front: routes that need a token answer 401
# (make invoke calls them with the claims that their golden event carries), and nothing pumps streams and queues.
#
#   OXCART_WATCH_PORT   9000
#   OXCART_DATA_PORT    9600
set -euo pipefail

# shellcheck source=infra/scripts/watching.sh
source "$(dirname "${BASH_SOURCE[0]}")/watching.sh"
port=${OXCART_WATCH_PORT:-9000}
data=${OXCART_DATA_PORT:-9600}
cargo_lambda
for taken in "$port" "$data"; do
  if listens "$taken"; then
    echo "port $taken is taken; OXCART_WATCH_PORT and OXCART_DATA_PORT choose others" >&2
    exit 1
  fi
done
trap stop_children EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
start_data "$data"
echo "http://127.0.0.1:$port, for example http://127.0.0.1:$port/v1/products; data at $AWS_ENDPOINT_URL"
cd "$root"
cargo lambda watch --invoke-address 127.0.0.1 --invoke-port "$port" "$@"
