#!/usr/bin/env bash
# The whole shop on an AWS emulator: starts MiniStack on loopback, applies the Terraform to it with the real zips,
# checks every policy, runs a command against the deployed API, destroys, stops the emulator.
#
#   infra/scripts/e2e.sh [--keep] [COMMAND [ARGUMENT…]]     --keep leaves it up
#   infra/scripts/e2e.sh --stop                             ends what --keep left
#
# The command finds in its environment: OXCART_URL (base URL of the API), OXCART_ISSUER, OXCART_STAGE, OXCART_PREFIX,
# OXCART_QUEUE_BASE, OXCART_MAIL_URL (every e-mail sent, as JSON), OXCART_OUTPUTS (file: terraform output -json),
# AWS_ENDPOINT_URL, AWS_REGION and credentials of the emulator's root user.
#
#   OXCART_NO_BUILD=1       take the zips that are there
#   OXCART_ZIPS             folder with <binary>/bootstrap.zip (nothing is built)
#   OXCART_FUNCTIONS        another functions.json
#   OXCART_EMULATOR_URL     an emulator that runs already, instead of MiniStack (localstack.sh)
#   TF_VAR_…                any variable of infra/variables.tf
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${OXCART_E2E_DIR:-$root/target/e2e}
region=eu-central-1
stage=e2e

skip() {
  echo "skipped: $*" >&2
  exit 3
}
say() { printf 'e2e %4d s  %s\n' "$SECONDS" "$*" >&2; }

# Its own process group: the functions it started end with it. The id is looked at before it is trusted.
running() { [[ -f $work/ministack.pid ]] && ps -p "$(<"$work/ministack.pid")" -o args= 2>/dev/null | grep -q ministack; }
stop() {
  if running; then
    local pid
    pid=$(<"$work/ministack.pid")
    kill -TERM -- "-$pid" 2>/dev/null || true
    for _ in $(seq 50); do
      kill -0 -- "-$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL -- "-$pid" 2>/dev/null || true
  fi
  rm -rf "$work/ministack.pid" "$work/tmp"
}

keep=0
case ${1:-} in
--keep)
  keep=1
  shift
  ;;
--stop)
  stop
  exit 0
  ;;
esac
if running; then
  echo "$work is in use: an emulator was kept there; end it with $0 --stop" >&2
  exit 2
fi

command -v curl >/dev/null || skip "curl is not installed"
tools=(terraform)
[[ -n ${OXCART_EMULATOR_URL:-} ]] || tools+=(emulator)
environment=$("$here/tools.sh" "${tools[@]}") || exit $?
eval "$environment"
zips=${OXCART_ZIPS:-$root/target/lambda}
if [[ -z ${OXCART_ZIPS:-} && ${OXCART_NO_BUILD:-} != 1 ]]; then
  "$here/build.sh" >&2
fi
say "built"

# --- the emulator --------------------------------------------------------------------------------------------------

applied=0
finish() {
  local status=$?
  trap - EXIT INT TERM
  if ((keep && status == 0)); then
    say "left up at ${OXCART_URL:-$url}: source $work/env.sh; end it with $0 --stop"
    exit 0
  fi
  if ((applied)); then
    if terraform -chdir="$work/infra" destroy -auto-approve -input=false -no-color "${options[@]}" >"$work/destroy.log" 2>&1; then
      say "destroyed"
    else
      tail -n 30 "$work/destroy.log" >&2
      say "destroy failed ($work/destroy.log)"
      ((status)) || status=1
    fi
  fi
  stop
  say "done, exit $status"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -p "$work/tmp"
# Nothing of the caller's account may leak in, and loopback needs no proxy.
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CA_BUNDLE AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE TF_DATA_DIR
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=$region AWS_DEFAULT_REGION=$region
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

start() {
  if [[ -n ${OXCART_EMULATOR_URL:-} ]]; then
    url=$OXCART_EMULATOR_URL
    curl --silent --fail --output /dev/null "$url/_localstack/health" || skip "no emulator answers at $url"
  else
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    url=http://127.0.0.1:$port
    mkdir -p "$work/tmp"
    # AUTH: every call is signed and checked against the role's policy, as on AWS. AWS_ENDPOINT_URL: what the functions
    # inherit; without it they would call the real AWS. A clean environment, because functions inherit that too.
    set -m
    env -i PATH="$PATH" HOME="$work/tmp" TMPDIR="$work/tmp" LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 \
      BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" MINISTACK_HOST=127.0.0.1 MINISTACK_REGION=$region AUTH=true \
      AWS_ENDPOINT_URL="$url" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test SFTP_ENABLED=0 IOT_MTLS_ENABLED=0 \
      ministack >"$work/ministack.log" 2>&1 &
    echo $! >"$work/ministack.pid"
    set +m
    for _ in $(seq 100); do
      curl --silent --fail --output /dev/null "$url/_ministack/health" && break
      running || break
      sleep 0.2
    done
    curl --silent --fail --output /dev/null "$url/_ministack/health" || {
      tail -n 20 "$work/ministack.log" >&2
      echo "MiniStack did not start" >&2
      exit 1
    }
  fi
  export AWS_ENDPOINT_URL=$url
  say "emulator at $url"
}

# --- terraform -----------------------------------------------------------------------------------------------------

prepare() {
  # A copy, so that neither the state nor the lock file touches infra/.
  rm -rf "$work/infra"
  mkdir -p "$work/infra"
  cp -R "$root"/infra/*.tf "$root/infra/modules" "$root/infra/generated" "$work/infra/"
  rm -f "$work/infra/backend_override.tf"
  options=(
    -var "stage=$stage" -var "region=$region" -var "endpoint_url=$url" -var "zip_dir=$zips" -var protect_data=false
    -var "functions_file=${OXCART_FUNCTIONS:-$work/infra/generated/functions.json}"
    -parallelism=10
  )
  terraform -chdir="$work/infra" init -input=false -no-color >"$work/init.log" 2>&1 || {
    cat "$work/init.log" >&2
    exit 1
  }
  applied=1
}
apply() {
  terraform -chdir="$work/infra" apply -auto-approve -input=false -no-color "${options[@]}" >"$work/apply.log" 2>&1
}
# MiniStack is one Python process. Where it answers too late, the provider sends a create again and is told that the
# resource exists already; what was made is then taken over by its name, and the apply goes on. Prints what was taken over.
take_over() {
  python3 - "$work/apply.log" "oxcart-$stage" <<'PYTHON' >"$work/orphans"
import re, sys
for part in open(sys.argv[1]).read().split("Error: ")[1:]:
    name = re.match(r"creating [^(]*\(([^)]+)\)", part)
    address = re.search(r"^\s*with (\S+),$", part, re.M)
    if not (name and address and re.search(r"AlreadyExists|already exists|ResourceInUse|ResourceConflict", part)):
        sys.exit(f"not an answer that was lost: {part[:200]}")
    # An alias is known by its function and its own name.
    alias = re.match(r'module\.function\["([^"]+)"\]\.aws_lambda_alias\.', address[1])
    print(address[1], f"{sys.argv[2]}-{alias[1]}/{name[1]}" if alias else name[1])
PYTHON
  [[ -s $work/orphans ]] || return 1
  while read -r address name; do
    say "an answer was lost: $name exists and is taken over"
    terraform -chdir="$work/infra" import -input=false -no-color "${options[@]:0:${#options[@]}-1}" "$address" "$name" \
      >"$work/import.log" 2>&1 </dev/null || {
      tail -n 20 "$work/import.log" >&2
      return 1
    }
  done <"$work/orphans"
}
start
prepare
for round in 1 2 3 4 5; do
  if apply; then
    break
  fi
  if ((round == 5)) || ! take_over; then
    grep -A 15 'Error:' "$work/apply.log" >&2 || tail -n 30 "$work/apply.log" >&2
    say "apply failed ($work/apply.log)"
    exit 1
  fi
done
say "$(grep -o 'Apply complete.*' "$work/apply.log")"

terraform -chdir="$work/infra" show -json >"$work/state.json"
python3 "$here/check-policies.py" "$work/state.json" >&2
terraform -chdir="$work/infra" output -json >"$work/outputs.json"
output() { terraform -chdir="$work/infra" output -raw "$1"; }
OXCART_URL=$(output url)
OXCART_ISSUER=$(output issuer)
OXCART_PREFIX=$(output prefix)
export OXCART_URL OXCART_ISSUER OXCART_PREFIX
export OXCART_STAGE=$stage OXCART_QUEUE_BASE=$url/000000000000/$OXCART_PREFIX-
export OXCART_MAIL_URL=$url/_ministack/ses/messages OXCART_OUTPUTS=$work/outputs.json
for name in OXCART_URL OXCART_ISSUER OXCART_STAGE OXCART_PREFIX OXCART_QUEUE_BASE OXCART_MAIL_URL OXCART_OUTPUTS \
  AWS_ENDPOINT_URL AWS_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
  printf 'export %s=%q\n' "$name" "${!name}"
done >"$work/env.sh"
say "$OXCART_URL"

# --- the command ---------------------------------------------------------------------------------------------------

if (($#)); then
  started=$SECONDS
  status=0
  "$@" || status=$?
  say "$1 took $((SECONDS - started)) s, exit $status"
  exit "$status"
fi
curl --silent --show-error --fail --output /dev/null "$OXCART_URL/.well-known/openid-configuration"
say "the API answers"
