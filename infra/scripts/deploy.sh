#!/usr/bin/env bash
# Deploys a stage to AWS:  infra/scripts/deploy.sh STAGE [terraform apply arguments]
#
# The account is whatever the AWS environment says (AWS_PROFILE, AWS_ACCESS_KEY_ID, …). Variables come from
# infra/<stage>.tfvars when that file is there, from TF_VAR_…, and from the arguments.
#
#   OXCART_BACKEND_CONFIG  file for `terraform init -backend-config`: state in S3 instead of target/terraform/<stage>
#   OXCART_ARCH            x86_64 (default) or arm64
#   OXCART_NO_BUILD=1      take the zips that are there
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -ge 1 && $1 != -* ]] || {
  echo "usage: $0 STAGE [terraform arguments]" >&2
  exit 2
}
stage=$1
shift
started=$SECONDS
[[ ${OXCART_NO_BUILD:-} == 1 ]] || "$here/build.sh"
built=$SECONDS

# shellcheck source=infra/scripts/terraform.sh
source "$here/terraform.sh"
stage_init "$stage"
terraform -chdir="$infra" apply "${stage_variables[@]}" "$@"
echo "deployed $stage: build $((built - started)) s, terraform $((SECONDS - built)) s"
terraform -chdir="$infra" output -raw url
echo
