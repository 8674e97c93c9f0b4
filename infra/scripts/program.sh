#!/usr/bin/env bash
# Where the program oxcart-local was built to, by the Makefile's rule: a release build names its target.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
case ${OXCART_PROFILE:-release} in
dev) built=debug ;;
*) built=$(rustc -vV | sed -n 's/^host: //p')/release ;;
esac
echo "${CARGO_TARGET_DIR:-$root/target}/$built/oxcart-local"
