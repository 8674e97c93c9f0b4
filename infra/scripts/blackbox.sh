#!/usr/bin/env bash
# The command that `make e2e` and `make localstack` run against the deployed shop (e2e.sh sets its environment): makes an
# administrator, then runs the black-box suite through the emulated API Gateway. Further arguments go to the suite.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$("$root/infra/scripts/program.sh")

export OXCART_ADMIN_EMAIL=admin@example.com
OXCART_ADMIN_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
export OXCART_ADMIN_PASSWORD
"$program" staff --email "$OXCART_ADMIN_EMAIL"
"$program" smoke --url "$OXCART_URL" "$@"
