#!/usr/bin/env bash
# Stripe's adapter against localstripe, a stateful fake of Stripe's API:  infra/scripts/test-stripe.sh [TEST FILTER]
# Needs python3 (3.9 or newer) with venv; pip fetches localstripe, once, into target/tools. Its licence (GPL-3.0) is its
# authors', so it is not kept here. It listens on 127.0.0.1 only and keeps nothing.
#
#   OXCART_STRIPE_URL   one that runs already (with infra/scripts/stripe_server.py's additions)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=$root/target/tools
package=localstripe==1.15.10

skip() {
  echo "skipped: $*" >&2
  exit 3
}

cd "$root"
# The whole workspace is named so that what `make test` built is used.
tests=(cargo test --workspace --locked --test localstripe)
if [[ -n ${OXCART_STRIPE_URL:-} ]]; then
  exec "${tests[@]}" -- --ignored "$@"
fi

command -v python3 >/dev/null || skip "python3 (3.9 or newer) is not installed"
# The mark holds what was installed, so another version here is another installation.
venv=$tools/stripe
if [[ ! -f $venv/installed || $(<"$venv/installed") != "$package" ]]; then
  mkdir -p "$tools"
  python3 -m venv "$venv" >&2 || skip "python3 has no venv module (Debian: apt-get install python3-venv)"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$package" >&2 || skip "pip could not install $package"
  echo "$package" >"$venv/installed"
fi

# Built before the server starts.
"${tests[@]}" --no-run
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$venv/bin/python" "$here/stripe_server.py" "$port" >"$tools/stripe.log" 2>&1 &
server=$!
finish() {
  local status=$?
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  exit "$status"
}
trap finish EXIT
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
  tail -n 20 "$tools/stripe.log" >&2
  echo "localstripe did not start" >&2
  exit 1
}
OXCART_STRIPE_URL=http://127.0.0.1:$port "${tests[@]}" -- --ignored "$@"
