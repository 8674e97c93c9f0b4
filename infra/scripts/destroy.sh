#!/usr/bin/env bash
# Removes a stage from AWS:  infra/scripts/destroy.sh STAGE [terraform destroy arguments]
# Tables with deletion protection stay, and the run fails at them: apply with -var protect_data=false first.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -ge 1 && $1 != -* ]] || {
  echo "usage: $0 STAGE [terraform arguments]" >&2
  exit 2
}
stage=$1
shift
# shellcheck source=infra/scripts/terraform.sh
source "$here/terraform.sh"
stage_init "$stage"
terraform -chdir="$infra" destroy "${stage_variables[@]}" "$@"
