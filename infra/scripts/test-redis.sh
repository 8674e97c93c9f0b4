#!/usr/bin/env bash
# Shared answers of the search over a real Redis or Valkey:  infra/scripts/test-redis.sh [TEST FILTER]
# Needs redis-server or valkey-server, and openssl for a certificate; where they are not and this is root on Debian, apt gets them.
# The server listens on 127.0.0.1 only, with and without TLS, and keeps nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

skip() {
  echo "skipped: $*" >&2
  exit 3
}

# A package brings a service that starts with the machine: what the tests need is the program.
install() {
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null ||
    skip "$1 is not installed (Debian: apt-get install $2)"
  [[ -n $(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null) ]] || apt-get update -qq >&2 || true
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >&2 ||
    skip "apt-get could not install $2"
}

cd "$root"
# The whole workspace is named so that what `make test` built is used.
tests=(cargo test --workspace --locked --test redis)

command -v openssl >/dev/null || install openssl openssl
command -v redis-server >/dev/null || command -v valkey-server >/dev/null || install redis-server redis-server
program=$(command -v redis-server || command -v valkey-server)

# Built before the server starts.
"${tests[@]}" --no-run
work=$(mktemp -d)
server=
finish() {
  local status=$?
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.log" || {
  cat "$work/openssl.log" >&2
  exit 1
}
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo "$1"; }
port=$(free 16379)
secure=$(free 16380)
"$program" --bind 127.0.0.1 --port "$port" --tls-port "$secure" --tls-cert-file "$work/cert.pem" \
  --tls-key-file "$work/key.pem" --tls-auth-clients no --save '' --appendonly no --dir "$work" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
  tail -n 20 "$work/server.log" >&2
  echo "$program did not start" >&2
  exit 1
}
"$program" --version
export OXCART_CACHE_URL=redis://127.0.0.1:$port
export OXCART_CACHE_TLS_URL=rediss://localhost:$secure OXCART_CACHE_ROOTS=$work/cert.pem
"${tests[@]}" -- --ignored "$@"
