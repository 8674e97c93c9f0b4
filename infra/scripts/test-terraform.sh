#!/usr/bin/env bash
# Terraform without AWS: the whole configuration is valid (types, references, no circle), and modules that have tests pass them
# under a provider that makes nothing. Works on a copy, so that nothing is written beside the sources.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
environment=$("$root/infra/scripts/tools.sh" terraform) || exit $?
eval "$environment"
unset TF_DATA_DIR

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$root/infra" "$work/infra"

check() {
  terraform -chdir="$1" init -input=false -backend=false >"$work/init.log" || {
    cat "$work/init.log" >&2
    exit 1
  }
  terraform -chdir="$1" "$2"
}

check "$work/infra" validate
for tests in "$work"/infra/modules/*/tests; do
  check "$(dirname "$tests")" test
done
