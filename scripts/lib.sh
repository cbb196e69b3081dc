# shellcheck shell=bash
# Shared by the scripts of this folder. Sourced, never run: it expects `set -euo pipefail`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Every build is in this folder.
build=$root/build

if [[ -z ${JOBS-} ]]; then
    JOBS=$(nproc)
fi
export JOBS

# With ccache, a second build of the same file costs nothing.
if [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER-} ]] && command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache
    # ccache needs these to cache precompiled headers.
    export CCACHE_SLOPPINESS=pch_defines,time_macros
fi

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "${0##*/}: $*"
    exit 2
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        die "needs root or sudo for: $*"
    fi
}

# configure PRESET [CMAKE_OPTION...]
configure() {
    local preset=$1
    shift
    mkdir -p "$build"
    (cd "$root" && cmake --preset "$preset" "$@" >"$build/configure-$preset.log" 2>&1) ||
        { cat "$build/configure-$preset.log" >&2; return 1; }
}

# build_preset PRESET [TARGET...]: configures and builds. It prints little unless a step fails.
build_preset() {
    local preset=$1
    shift
    configure "$preset"
    cmake --build "$build/$preset" --parallel "$JOBS" ${1:+--target "$@"} -- --quiet
}

# The C++ files that git tracks or would add, one a line, relative to the root.
cxx_files() {
    git -C "$root" ls-files --cached --others --exclude-standard -- '*.h' '*.cc' |
        while IFS= read -r file; do
            if [[ -f $root/$file ]]; then
                printf '%s\n' "$file"
            fi
        done
}

# Those that differ from the last commit.
changed_cxx_files() {
    if git -C "$root" rev-parse --quiet --verify HEAD >/dev/null; then
        { git -C "$root" diff --name-only --diff-filter=d HEAD -- '*.h' '*.cc'
          git -C "$root" ls-files --others --exclude-standard -- '*.h' '*.cc'; } | sort -u
    else
        cxx_files
    fi
}
