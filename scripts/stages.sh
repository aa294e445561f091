# Sourced by the scripts that run in stages: `stage NAME COMMAND...` runs a command and tells how long it took; the first
# failure ends the script.
stage() {
  local name=$1 start=$SECONDS
  shift
  printf '== %s\n' "$name"
  if ! "$@"; then
    printf '== %s FAILED after %d s\n' "$name" $((SECONDS - start))
    exit 1
  fi
  printf '== %s: %d s\n' "$name" $((SECONDS - start))
}

# configure PRESET [OPTION...]: quiet unless it fails.
configure() {
  local log=build/configure-$1.log
  cmake --preset "$@" >"$log" 2>&1 || { cat "$log"; return 1; }
}

# compile PRESET [TARGET...]: prints the last lines, or everything around a failure.
compile() {
  local log=build/compile-$1.log folder=build/$1
  shift
  if ninja -C "$folder" "$@" >"$log" 2>&1; then
    tail -n 1 "$log"
  else
    grep -A 25 -m 3 '^FAILED' "$log" || tail -n 40 "$log"
    return 1
  fi
}

# Let ccache find what another checkout of the same sources compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
