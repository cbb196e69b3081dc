#!/bin/bash
# Starts a throw-away server with the given settings, prints its connection string, and stops it at the end
# of standard input: the server ends when the caller does, however that ends.
set -euo pipefail
# shellcheck source=scripts/throwaway_server.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/throwaway_server.sh"
trap throwaway_stop EXIT
trap 'exit 130' INT TERM HUP
throwaway_start "$@"
throwaway_dsn
cat >/dev/null
