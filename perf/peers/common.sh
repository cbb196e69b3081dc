# shellcheck shell=bash
# Functions of the peers. Sourced, never run: it expects `set -euo pipefail`, and the connection string
# in $dsn. A peer prints one line `phase NAME SECONDS` for each of its phases and exits non-zero if
# its checksums differ.

partitions=100

# use_table TABLE KEY: the table to copy, and the key of a row.
use_table() {
    table=$1
    key=$2
    wrong_keys="count(*) FILTER (WHERE partition_key IS DISTINCT FROM $key)"
}
use_table public.chunks "abs(hashtext(collection_id::text)) % $partitions"

# Settings of an expert for a bulk load: small commits do not wait for the disk (the last commit waits for
# all of them), no parallel workers next to the two sessions, no JIT for short plans.
session_settings="SET synchronous_commit = off; SET jit = off; SET max_parallel_workers_per_gather = 0;
SET max_parallel_maintenance_workers = 0; SET maintenance_work_mem = '512MB'; SET work_mem = '128MB';"

sql() {
    psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$dsn" "$@"
}

phase_started=$EPOCHREALTIME

# phase NAME: the time since the last phase ended.
phase() {
    awk -v name="$1" -v a="$phase_started" -v b="$EPOCHREALTIME" 'BEGIN { printf "phase %s %.3f\n", name, b - a }'
    phase_started=$EPOCHREALTIME
}

# in_two_sessions [SETTINGS]: runs the statements of standard input, one a line and the largest first.
# The sessions get them in the order 1 2 2 1 1 2 2 1 ..., so that both have about the same work.
# shellcheck disable=SC2120  # Some of the scripts pass settings.
in_two_sessions() {
    local statements hand i status=0 pids=()
    mapfile -t statements
    for hand in 0 1; do
        {
            echo "$session_settings ${1-}"
            for i in "${!statements[@]}"; do
                if (((i % 4 == 1 || i % 4 == 2) == hand)); then
                    printf '%s\n' "${statements[i]}"
                fi
            done
        } | sql -f - &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i" || status=1
    done
    return $status
}

# for_each_leaf TABLE TEMPLATE: the template once for each leaf in place of @, the largest leaf first.
for_each_leaf() {
    local leaf
    while IFS= read -r leaf; do
        printf '%s\n' "${2//@/$leaf}"
    done < <(sql -c "SELECT relid::regclass FROM pg_partition_tree('$1') WHERE isleaf
                     ORDER BY pg_table_size(relid) DESC, relid::regclass::text")
}

columns_of() {
    sql -c "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = '$1'::regclass AND attnum > 0 AND NOT attisdropped"
}

# create_target TABLE [LIKE]: the new layout, with the key as a stored column, without indexes.
create_target() {
    sql <<SQL
BEGIN;
CREATE TABLE $1 (${2-LIKE $table INCLUDING DEFAULTS}, partition_key integer NOT NULL) PARTITION BY LIST (partition_key);
SELECT format('CREATE TABLE $1_p%s PARTITION OF $1 FOR VALUES IN (%s)', lpad(k::text, 2, '0'), k)
FROM generate_series(0, $partitions - 1) AS k \gexec
COMMIT;
SQL
}

# checksum_of COLUMNS: the hash of a row, whose sum over all rows is a checksum. The record hash alone would not do: it is
# 31 * (31 * h(a) + h(b)) + ..., so its sum is one sum for each column, and two rows that exchange a value leave it as it
# was. The hash of the hash is not linear. int8send keeps all 64 bits; hashint8extended in its place costs up to a tenth
# less and keeps 32. Inside, bigint and timestamp fold to 32 bits; int8send for each of them costs up to a tenth more.
checksum_of() {
    echo "hash_record_extended(ROW(int8send(hash_record_extended(ROW($1), 0))), 0)"
}

# insert_statements COLUMNS: one for each leaf of the source.
insert_statements() {
    for_each_leaf "$table" "INSERT INTO ${table}_new ($1, partition_key) SELECT $1, $key FROM @;"
}

# sum_statement EXPRESSION WRONG: of one leaf @ rows, sum of the expression over each row t, and the sum of WRONG (rows
# with a wrong key), as (n, n, n).
sum_statement() {
    echo "SELECT format('(%s, %s, %s)', count(*), coalesce(sum($1), 0), $2) FROM @ AS t;"
}

# sum_of_parts PARTS: what the statements printed, with commas between, as n|n|n.
sum_of_parts() {
    sql -c "SELECT sum(a), sum(b), sum(c) FROM (VALUES $1) AS v (a, b, c)"
}

# side_sums TABLE EXPRESSION WRONG: the same of a whole table.
side_sums() {
    sum_of_parts "$(for_each_leaf "$1" "$(sum_statement "$2" "$3")" | in_two_sessions | paste -sd,)"
}

# must_be_equal SOURCE TARGET: the results of side_sums for both sides.
must_be_equal() {
    echo "rows|sum|wrong keys: source $1, target $2"
    if [[ $1 != "$2" ]]; then
        echo "${0##*/}: source and target differ" >&2
        exit 1
    fi
}

# The functions below are for two servers: $source_dsn and $target_dsn.

# create_target_there TABLE: as create_target, on the server of the target.
create_target_there() {
    local definitions dsn=$source_dsn
    definitions=$(sql -c "SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod))
                              || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END, ', ' ORDER BY attnum)
                          FROM pg_attribute
                          WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped")
    dsn=$target_dsn
    create_target "$1" "$definitions"
}

# check_both_servers COLUMNS: the phase of the checksums.
check_both_servers() {
    local hash source_sums target_sums
    hash=$(checksum_of "$1")
    source_sums=$(dsn=$source_dsn && side_sums "$table" "$hash" 0)
    target_sums=$(dsn=$target_dsn && side_sums "${table}_new" "$hash" "$wrong_keys")
    phase sums
    must_be_equal "$source_sums" "$target_sums"
}
