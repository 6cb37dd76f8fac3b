# shellcheck shell=bash
# What the scripts beside this file share: messages, building a preset, a daemon of one's own.
# Sourced, never run; the caller has set -euo pipefail.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck disable=SC2034  # for the callers
bin=$root/build/release/bin

# The daemons that we have started.
daemon_pids=()

say() { printf '%s\n' "$*"; }

warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  warn "$*"
  exit 1
}

# A mistake in how the script was called.
usage_error() {
  warn "$* (see --help)"
  exit 2
}

# help: prints the comment at the top of the script, which is its help text.
help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# needs TOOL HINT: ends the script unless TOOL can be run.
needs() { command -v "$1" >/dev/null || die "$1 is missing; $2"; }

# configure PRESET: silent unless it fails.
configure() {
  local output
  if ! output=$(cd "$root" && cmake --preset "$1" 2>&1); then
    printf '%s\n' "$output" >&2
    die "configuring the preset '$1' failed"
  fi
}

# build PRESET [TARGET…]: configures and builds, everything or only the targets. On a terminal ninja
# shows its progress in one line; elsewhere only what goes wrong is shown.
build() {
  local preset=$1 options=()
  shift
  [[ $# -eq 0 ]] || options+=(--target "$@")
  configure "$preset"
  if [[ -t 1 ]]; then
    ninja_in "$preset" "${options[@]}"
  else
    ninja_in "$preset" "${options[@]}" -- --quiet | sed '/^ninja: no work to do\.$/d'
  fi || die "building the preset '$preset' failed"
}

ninja_in() { (cd "$root" && cmake --build --preset "$1" --parallel "$(nproc)" "${@:2}"); }

# scratch_dir: makes a directory that only we can enter, $scratch; it is removed, after the daemons in
# it have been stopped, on every way out of the script.
scratch_dir() {
  trap scratch_cleanup EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  scratch=$(mktemp -d -t nacre.XXXXXX)
}

scratch_cleanup() {
  local status=$?
  trap '' HUP INT TERM
  daemons_stop || status=1
  [[ -z ${scratch:-} ]] || rm -rf -- "$scratch"
  exit "$status"
}

# daemon_start [NACRED-ARGUMENT…]: starts a daemon in $scratch and waits until it answers. Sets NACRE_HOST for
# what follows.
daemon_start() {
  export NACRE_HOST=unix:$scratch/nacred.sock
  daemon_start_at "$NACRE_HOST" "$scratch/state" "$scratch/nacred.log" "$@"
}

# daemon_start_at ADDRESS STATE LOG [NACRED-ARGUMENT…]: the same of one more daemon; sets daemon_pid alone.
daemon_start_at() {
  local address=$1 state=$2 log=$3 deadline=$((SECONDS + 30))
  shift 3
  "$bin/nacred" --listen "$address" --state-dir "$state" "$@" </dev/null >"$log" 2>&1 &
  daemon_pid=$!
  daemon_pids+=("$daemon_pid")
  until NACRE_HOST=$address timeout 5 "$bin/nacre" ping >"$scratch/ping.log" 2>&1; do
    kill -0 "$daemon_pid" 2>/dev/null || daemon_failed "nacred ended before it answered"
    ((SECONDS < deadline)) || daemon_failed "nacred did not answer within 30 s"
    sleep 0.05
  done
}

# compat_address N: where the daemon's N-th --compat listens, with the port that the kernel chose.
compat_address() {
  local address
  address=$(sed -n "s/.*listening on \([^ ]*\) (compat-$1)\$/\1/p" "$scratch/nacred.log")
  [[ -n $address ]] || daemon_failed "nacred does not say where it listens for old clients"
  printf '%s' "$address"
}

daemon_failed() {
  cat "$scratch"/*.log >&2
  die "$1"
}

# daemons_stop: ends what daemon_start and daemon_start_at have started and waits for it. Fails when a daemon
# had to be killed or reports a failure of its own.
daemons_stop() {
  local pid failed=0
  for pid in ${daemon_pids[@]+"${daemon_pids[@]}"}; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in ${daemon_pids[@]+"${daemon_pids[@]}"}; do daemon_wait "$pid" || failed=1; done
  daemon_pids=()
  return "$failed"
}

daemon_wait() {
  local pid=$1 deadline=$((SECONDS + 30)) status=0
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
      warn "nacred did not end within 30 s of SIGTERM; killing it"
      kill -KILL "$pid" 2>/dev/null || true
      break
    fi
    sleep 0.05
  done
  wait "$pid" || status=$?
  if [[ $status -ne 0 ]]; then
    cat "$scratch"/*.log >&2
    warn "nacred ended with status $status"
    return 1
  fi
}
