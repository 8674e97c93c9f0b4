#!/usr/bin/env bash
# What e2e.sh does, on LocalStack in Docker:  infra/scripts/localstack.sh [COMMAND [ARGUMENT…]]
# Needs Docker with compose, and a licence in LOCALSTACK_AUTH_TOKEN (HTTP APIs are not in the free edition).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
skip() {
  echo "skipped: $*" >&2
  exit 3
}
command -v docker >/dev/null || skip "docker is not installed"
docker info >/dev/null 2>&1 || skip "no Docker daemon answers"
docker compose version >/dev/null 2>&1 || skip "docker has no compose plugin"
[[ -n ${LOCALSTACK_AUTH_TOKEN:-} ]] || skip "LOCALSTACK_AUTH_TOKEN is not set: LocalStack's free edition has no HTTP APIs"

compose=(docker compose --file "$here/../localstack/compose.yml" --project-name oxcart-localstack)
trap '"${compose[@]}" down --volumes' EXIT
"${compose[@]}" up --detach --wait
OXCART_EMULATOR_URL=http://127.0.0.1:4566 TF_VAR_api_path_style=false "$here/e2e.sh" "$@"
