#!/bin/bash
# Starts a throw-away server with the settings given, prints its connection string, and stops it at the
# end of standard input: whatever becomes of the caller, the server goes with it.
set -euo pipefail
# shellcheck source=scripts/throwaway_server.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/throwaway_server.sh"
trap throwaway_stop EXIT
trap 'exit 130' INT TERM HUP
throwaway_start "$@"
throwaway_dsn
cat >/dev/null
