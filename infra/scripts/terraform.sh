# shellcheck shell=bash
# Sourced by deploy.sh and destroy.sh: Terraform on one stage, with its state in target/terraform/<stage>, or in S3.

infra=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

stage_init() {
  local stage=$1 environment backend
  environment=$("$infra/scripts/tools.sh" terraform) || exit $?
  eval "$environment"

  local work
  work=$(cd "$infra/.." && pwd)/target/terraform/$stage
  mkdir -p "$work"
  export TF_DATA_DIR=$work/data
  backend=(-backend-config="path=$work/terraform.tfstate")
  rm -f "$infra/backend_override.tf"
  if [[ -n ${OXCART_BACKEND_CONFIG:-} ]]; then
    # Terraform takes a backend's settings from the command line, but not its kind.
    printf 'terraform {\n  backend "s3" {}\n}\n' >"$infra/backend_override.tf"
    backend=(-backend-config="$(realpath "$OXCART_BACKEND_CONFIG")" -backend-config="key=oxcart/$stage.tfstate")
  fi
  terraform -chdir="$infra" init -input=false -reconfigure "${backend[@]}" >"$work/init.log" || {
    cat "$work/init.log" >&2
    exit 1
  }

  stage_variables=(-var "stage=$stage" -var "architecture=${OXCART_ARCH:-x86_64}")
  if [[ -r $infra/$stage.tfvars ]]; then
    stage_variables+=(-var-file="$infra/$stage.tfvars")
  fi
}
