#!/usr/bin/env bash
# Builds every Lambda zip: target/lambda/<binary>/bootstrap.zip for each binary that functions.json names.
#
#   OXCART_ARCH      x86_64 (default) or arm64
#   OXCART_COMPILER  cargo (default for this machine's own architecture: no zig, links this machine's glibc) or
#                    cargo-zigbuild (default otherwise; needs `rustup target add`)
#   OXCART_JOBS      cargo jobs
# Further arguments go to cargo lambda build.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
functions=${OXCART_FUNCTIONS:-$root/infra/generated/functions.json}
arch=${OXCART_ARCH:-x86_64}

skip() {
  echo "skipped: $*" >&2
  exit 3
}
command -v cargo >/dev/null || skip "cargo is not on the PATH"
environment=$("$here/tools.sh" lambda) || exit $?
eval "$environment"
[[ -r $functions ]] || skip "$functions is missing: make generate writes it"

case $(uname -s)-$(uname -m) in
Linux-x86_64) own=x86_64 ;;
Linux-aarch64) own=arm64 ;;
*) own=none ;;
esac
compiler=${OXCART_COMPILER:-$([[ $arch == "$own" ]] && echo cargo || echo cargo-zigbuild)}

mapfile -t binaries < <(python3 -c '
import json, sys
print("\n".join(sorted({f["binary"] for f in json.load(open(sys.argv[1]))["functions"]})))' "$functions")

options=(--release --output-format zip --compiler "$compiler")
[[ $arch == arm64 ]] && options+=(--arm64)
# cargo-lambda would add `-C target-cpu=haswell`: then nothing that `make run` or `make demo` built could be used. What gains by
# it (argon2, ring) looks at the processor by itself; on Graviton the flag stays, for its atomics.
[[ $arch == x86_64 ]] && options+=(--disable-optimizations)
[[ -n ${OXCART_JOBS:-} ]] && options+=(--jobs "$OXCART_JOBS")
for binary in "${binaries[@]}"; do
  options+=(--bin "$binary")
done

started=$SECONDS
cd "$root"
cargo lambda build "${options[@]}" "$@"

# Amazon Linux 2023 has glibc 2.34. A binary that wants a newer symbol dies there at start, and only there.
python3 - "$root/target/lambda" "${binaries[@]}" <<'EOF'
import io, os, re, sys, zipfile

folder, binaries = sys.argv[1], sys.argv[2:]
total = 0
for name in binaries:
    path = os.path.join(folder, name, "bootstrap.zip")
    total += os.path.getsize(path)
    code = zipfile.ZipFile(path).read("bootstrap")
    wanted = max((tuple(map(int, v.split(b"."))) for v in re.findall(rb"GLIBC_(\d+\.\d+)", code)), default=(0, 0))
    if wanted > (2, 34):
        sys.exit(f"{name} wants glibc {wanted[0]}.{wanted[1]}, Lambda has 2.34: build with OXCART_COMPILER=cargo-zigbuild")
print(f"{len(binaries)} zips, {total / 1e6:.1f} MB")
EOF
echo "built for $arch with $compiler in $((SECONDS - started)) s"
