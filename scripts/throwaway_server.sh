# A PostgreSQL server in a temporary directory, for the duration of a script. Sourced by bash scripts
# with set -euo pipefail:
#
#   source scripts/throwaway_server.sh
#   trap throwaway_stop EXIT
#   throwaway_start shared_buffers=512MB max_connections=150
#   psql -d "$(throwaway_dsn)"
#
# The server listens on a unix socket only, in a directory that only its own user (and root) may enter,
# and trusts every user there. It never runs as root: for root it runs as `postgres`, or as `nobody`. Arguments are settings for postgresql.conf. The database is UTF8 with locale C.UTF-8.
#
# PGFANOUT_PG_BINDIR names the directory of initdb and pg_ctl; without it, PostgreSQL 15 of the Debian
# packages is used, or the next later one. The directory is made in TMPDIR.

throwaway_directory=
throwaway_user=
throwaway_bindir=

throwaway_fail() {
    echo "throw-away server: $*" >&2
    return 1
}

throwaway_find_bindir() {
    local candidate
    for candidate in "${PGFANOUT_PG_BINDIR-}" /usr/lib/postgresql/{15,16,17,18}/bin; do
        if [[ -n $candidate && -x $candidate/initdb ]]; then
            throwaway_bindir=$candidate
            return
        fi
    done
    throwaway_fail "no PostgreSQL server is installed (scripts/install-deps demo installs one)"
}

# Runs a command as the server's user, in a directory that this user may enter.
throwaway_run() {
    if [[ -n $throwaway_user ]]; then
        (cd / && exec runuser -u "$throwaway_user" -- "$@")
    else
        (cd / && exec "$@")
    fi
}

throwaway_dsn() {
    echo "host=$throwaway_directory/socket port=5432 user=postgres dbname=${1-demo}"
}

throwaway_make_directory() {
    local base
    for base in "${TMPDIR-/tmp}" /tmp; do
        throwaway_directory=$(mktemp -d "$base/pgfanout.XXXXXX") || continue
        chmod 711 "$throwaway_directory"
        # The other user must be able to enter the path, and it must be short enough for a socket.
        if ((${#throwaway_directory} <= 70)) && throwaway_run test -x "$throwaway_directory"; then
            install -d -m 700 ${throwaway_user:+-o "$throwaway_user"} \
                "$throwaway_directory/data" "$throwaway_directory/socket"
            return
        fi
        rmdir "$throwaway_directory"
        throwaway_directory=
    done
    throwaway_fail "no temporary directory that the server's user can enter"
}

# throwaway_start [SETTING=VALUE...]: makes and starts the server, with an empty database `demo`.
throwaway_start() {
    local setting
    throwaway_user=
    if ((EUID == 0)); then
        throwaway_user=nobody
        if id postgres >/dev/null 2>&1; then
            throwaway_user=postgres
        fi
    fi
    throwaway_find_bindir || return
    throwaway_make_directory || return
    throwaway_run "$throwaway_bindir/initdb" -D "$throwaway_directory/data" -U postgres -A trust \
        -E UTF8 --locale=C.UTF-8 --no-sync >"$throwaway_directory/initdb.log" 2>&1 ||
        { cat "$throwaway_directory/initdb.log" >&2; throwaway_fail "initdb failed"; return 1; }
    {
        echo "listen_addresses = ''"
        echo "port = 5432"
        echo "unix_socket_directories = '$throwaway_directory/socket'"
        for setting in "$@"; do
            echo "${setting%%=*} = '${setting#*=}'"
        done
    } | throwaway_run tee -a "$throwaway_directory/data/postgresql.conf" >/dev/null
    throwaway_run "$throwaway_bindir/pg_ctl" -D "$throwaway_directory/data" -w -s -t 60 \
        -l "$throwaway_directory/data/server.log" start ||
        { tail -n 20 "$throwaway_directory/data/server.log" >&2; throwaway_fail "it did not start"; return 1; }
    psql -X -q -d "$(throwaway_dsn postgres)" -c "CREATE DATABASE demo"
}

# Prints the command that stops the server and removes its directory.
throwaway_stop_command() {
    local as=
    if [[ -n $throwaway_user ]]; then
        as="runuser -u $throwaway_user -- "
    fi
    echo "$as$throwaway_bindir/pg_ctl -D $throwaway_directory/data -m immediate stop; rm -rf $throwaway_directory"
}

# Stops the server and removes its directory. Does nothing the second time.
throwaway_stop() {
    if [[ -z $throwaway_directory ]]; then
        return
    fi
    if [[ -f $throwaway_directory/data/postmaster.pid ]]; then
        throwaway_run "$throwaway_bindir/pg_ctl" -D "$throwaway_directory/data" -w -s -m immediate stop \
            >/dev/null 2>&1 || true
    fi
    rm -rf "$throwaway_directory"
    throwaway_directory=
}
