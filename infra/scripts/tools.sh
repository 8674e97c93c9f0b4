#!/usr/bin/env bash
# Makes the tools the other scripts use, once: a Python virtual environment with cargo-lambda and MiniStack, and a
# Terraform with a provider. Prints shell assignments (PATH, TF_CLI_CONFIG_FILE) to be evaluated:
#   eval "$(infra/scripts/tools.sh)"
# Names of tools as arguments restrict what is looked for: lambda, emulator, terraform (all when there are none).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=${OXCART_TARGET:-$root/target}/tools
wanted=${*:-lambda emulator terraform}
packages=(cargo-lambda==1.9.2 ministack==1.5.33 cryptography)

skip() {
  echo "skipped: $*" >&2
  exit 3
}
want() { [[ " $wanted " == *" $1 "* ]]; }

if want lambda || want emulator; then
  command -v python3 >/dev/null || skip "python3 (3.10 or newer) is not installed"
  # The mark holds what was installed, so another version here is another installation.
  if [[ ! -f $tools/venv/installed || $(<"$tools/venv/installed") != "${packages[*]}" ]]; then
    mkdir -p "$tools"
    python3 -m venv "$tools/venv" 1>&2 || skip "python3 has no venv module (Debian: apt-get install python3-venv)"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" 1>&2 ||
      skip "pip could not install ${packages[*]}"
    echo "${packages[*]}" >"$tools/venv/installed"
  fi
  printf "export PATH=%q:\$PATH\n" "$tools/venv/bin"
fi

if want terraform; then
  command -v terraform >/dev/null || skip "terraform (1.11 or newer) is not on the PATH"
  version=$(TF_CLI_CONFIG_FILE=/dev/null terraform version | sed -n '1s/^Terraform v//p')
  [[ $(printf '%s\n' 1.11.0 "$version" | sort -V | head -n 1) == 1.11.0 ]] ||
    skip "terraform $version is too old: 1.11 brought write-only arguments"

  # The provider: what the user configured; else a mirror that is named; else a mirror found on the machine; else the
  # registry. A TF_CLI_CONFIG_FILE that is not there only makes Terraform warn at every call, so it is replaced.
  if [[ -n ${TF_CLI_CONFIG_FILE:-} && -r $TF_CLI_CONFIG_FILE ]]; then
    printf 'export TF_CLI_CONFIG_FILE=%q\n' "$TF_CLI_CONFIG_FILE"
  elif [[ -z ${TF_CLI_CONFIG_FILE:-} && -r $HOME/.terraformrc ]]; then
    :
  else
    mirror=${OXCART_TF_MIRROR:-}
    found=$tools/terraform-mirror
    if [[ -z $mirror && -f $found && -d $(<"$found") ]]; then
      mirror=$(<"$found")
    fi
    if [[ -z $mirror ]]; then
      for folder in "$HOME/.terraform.d" /opt /usr/local /usr/share /usr/lib /var/lib /srv /home /root; do
        [[ -d $folder ]] || continue
        # <mirror>/<host>/hashicorp/aws/<version>/<platform>/terraform-provider-aws_v…
        provider=$(find "$folder" -xdev -path '*/hashicorp/aws/5.*/terraform-provider-aws*' -type f \
          -not -path '*/.terraform/*' -not -path '*/target/*' -print -quit 2>/dev/null || true)
        if [[ -n $provider ]]; then
          mirror=${provider%/*/hashicorp/aws/*}
          break
        fi
      done
    fi
    mkdir -p "$tools"
    if [[ -n $mirror ]]; then
      [[ -d $mirror ]] || skip "OXCART_TF_MIRROR=$mirror is not a folder"
      echo "$mirror" >"$found"
      cat >"$tools/terraformrc" <<EOF
provider_installation {
  filesystem_mirror {
    path    = "$mirror"
    include = ["registry.terraform.io/*/*"]
  }
}
EOF
    else
      # Downloaded once, then shared by every work folder.
      mkdir -p "$tools/terraform-plugins"
      echo "plugin_cache_dir = \"$tools/terraform-plugins\"" >"$tools/terraformrc"
    fi
    printf 'export TF_CLI_CONFIG_FILE=%q\n' "$tools/terraformrc"
  fi
fi
