#!/usr/bin/env bash
# The contract of search engines against a real OpenSearch:  infra/scripts/test-opensearch.sh [TEST FILTER]
# opensearch.sh says which one, and what it needs.
#
#   OPENSEARCH_URL   one that runs already; indexes named oxcart-contract-*, oxcart-shards-* and oxcart-recorded-* come and go there
#   OXCART_RECORD=1  writes functions/search/tests/recorded/opensearch.json anew
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
# The whole workspace is named so that what `make test` built is used.
tests=(cargo test --workspace --locked --test opensearch)
# Built before the server starts.
"${tests[@]}" --no-run
# Not exec: what the server lacks is said in the last line.
"$here/opensearch.sh" "${tests[@]}" -- --include-ignored "$@"
