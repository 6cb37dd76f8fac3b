#!/usr/bin/env bash
# Usage: examples/python/generate.sh OUTDIR
#
# Generates the Python modules of Nacre's contract (nacre.v1) into OUTDIR, and those of the details of its
# errors (google.rpc under another name), with Debian's protoc and gRPC plugin (packages protobuf-compiler
# and protobuf-compiler-grpc).

set -euo pipefail

case ${1:-} in
  -h | --help) sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" && exit ;;
esac
if [[ $# -ne 1 || $1 == -* ]]; then
  printf '%s: one OUTDIR is needed (see --help)\n' "${0##*/}" >&2
  exit 2
fi

proto=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../proto" && pwd -P)
if ! plugin=$(command -v grpc_python_plugin) || ! command -v protoc >/dev/null; then
  printf '%s: protoc or grpc_python_plugin is missing; scripts/setup installs both\n' "${0##*/}" >&2
  exit 1
fi
mkdir -p -- "$1"
out=$(cd -- "$1" && pwd -P)
cd "$proto"
protoc -I . --python_out="$out" --grpc_python_out="$out" --plugin=protoc-gen-grpc_python="$plugin" \
  nacre/v1/*.proto nacre/internal/v1/status.proto
