# shellcheck shell=bash
# Sourced by watch.sh and invoke.sh: a local data process with the fixtures, and the environment that functions need.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
children=()

skip() {
  echo "skipped: $*" >&2
  exit 3
}

# Ends what was started here, each with what it started itself.
stop_children() {
  local pid
  for pid in "${children[@]}"; do
    kill -TERM -- "-$pid" 2>/dev/null || true
  done
  for pid in "${children[@]}"; do
    wait "$pid" 2>/dev/null || true
  done
}

# Whether something listens on a port of this machine.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

cargo_lambda() {
  command -v cargo >/dev/null || skip "cargo is not on the PATH"
  local environment
  environment=$("$here/tools.sh" lambda) || exit $?
  eval "$environment"
}

# start_data PORT: the embedded AWS services, filled with the fixtures; exports the variables that it prints.
start_data() {
  local port=$1 printed=$target/tools/data-$1.env
  mkdir -p "$target/tools"
  : >"$printed"
  (cd "$root" && cargo build --quiet --locked -p local --bin oxcart-local)
  set -m
  "$target/debug/oxcart-local" data --fixtures --listen "127.0.0.1:$port" >"$printed" &
  children+=($!)
  set +m
  for _ in $(seq 150); do
    grep -q '^export AWS_ENDPOINT_URL=' "$printed" && break
    kill -0 "${children[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  grep -q '^export AWS_ENDPOINT_URL=' "$printed" || {
    echo "the data process did not start on port $port" >&2
    exit 1
  }
  # shellcheck disable=SC1090
  source "$printed"
}

# start_watch PORT: cargo lambda watch in the background, its output in target/tools.
start_watch() {
  local port=$1 log=$target/tools/watch-$1.log
  set -m
  (cd "$root" && exec cargo lambda watch --ignore-changes --invoke-address 127.0.0.1 --invoke-port "$port") >"$log" 2>&1 &
  children+=($!)
  set +m
  for _ in $(seq 150); do
    listens "$port" && return
    kill -0 "${children[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$log" >&2
  echo "cargo lambda watch did not start on port $port" >&2
  exit 1
}
