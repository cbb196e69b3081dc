# shellcheck shell=bash
# The maintenance window of the demo: plan, run with the swap, checks, rollback. Sourced by scripts/demo,
# which provides the server, run_sql, step and pgfanout. Each function ends the demo if a check fails.
# shellcheck disable=SC2154  # Set by scripts/demo.

# expect_exit CODE COMMAND...: shows pgfanout's command, runs it, and fails at any other exit code.
expect_exit() {
    local wanted=$1 code=0
    shift
    printf '$ pgfanout %s\n' "$*"
    PGHOST=$throwaway_directory/socket PGPORT=5432 PGUSER=postgres PGDATABASE=demo \
        "$pgfanout" "$@" --table public.chunks --progress none || code=$?
    ((code == wanted)) || fail "pgfanout $1 exited $code instead of $wanted"
}

# expect WHAT WANTED SQL: queries the server, and fails if the answer is not WANTED.
expect() {
    local answer
    answer=$(run_sql -c "$3")
    printf '%-62s %s\n' "$1" "$answer"
    [[ $answer == "$2" ]] || fail "$1: '$answer' instead of '$2'"
}

# expect_refusal WHAT SQL: the server must refuse SQL with an error that mentions pgfanout.
expect_refusal() {
    local said
    if said=$(run_sql -c "$2" 2>&1); then
        fail "$1: it was not refused"
    fi
    printf '%-62s %s\n' "$1" "refused"
    [[ $said == *pgfanout* ]] || fail "$1: refused for another reason: $said"
}

# Name, partitioning, leaves and keys of public.chunks, in one line.
layout_sql="SELECT pg_get_partkeydef('public.chunks'::regclass)
    || ', ' || (SELECT count(*) FROM pg_partition_tree('public.chunks') WHERE isleaf) || ' leaves, '
    || (SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = 'public.chunks'::regclass AND contype = 'p')"

digest_sql() {
    echo "SELECT count(*) || ' ' || sum(hashtextextended(ROW(id, collection_id, document_id, chunk_index,
        content, content_hash, token_count, start_offset, end_offset, metadata, embedding_model,
        created_at, updated_at)::text, 0)) FROM $1"
}

# The application's INSERT after the swap: it computes the key by the function that run made.
insert_sql="INSERT INTO public.chunks (id, collection_id, document_id, chunk_index, content, partition_key)
    SELECT 'a0000000-0000-4000-8000-000000000001', collection_id, id, 100000,
           'written after the swap', public.chunks_partition_key(collection_id)
    FROM public.documents ORDER BY id LIMIT 1"

show_window() {
    local before
    run_sql -c "DROP TABLE public.chunks_new"
    before=$(run_sql -c "$(digest_sql public.chunks)")

    step "The whole window: can it begin?"
    expect_exit 0 plan
    step "Everything up to the swap, in one command"
    expect_exit 0 run --swap
    step "Where does it stand? (from any terminal)"
    expect_exit 0 status

    step "A look in SQL"
    local backup
    backup=$(run_sql -c "SELECT format('%I.%I', source_schema, backup_name) FROM pgfanout.job
                         WHERE state = 'swapped'")
    expect "public.chunks is now" \
        "LIST (partition_key), 100 leaves, PRIMARY KEY (id, collection_id, partition_key)" "$layout_sql"
    expect "its rows and their checksum are those from before" "$before" "$(digest_sql public.chunks)"
    expect "foreign keys, all of them validated" 2 \
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.chunks'::regclass
         AND contype = 'f' AND convalidated"
    expect "the old table is kept, with as many rows" "$rows" "SELECT count(*) FROM $backup"
    expect_refusal "and is closed to writes" "DELETE FROM $backup"
    run_sql -c "$insert_sql"
    expect "the application inserts one row: it is in the leaf of its key" 1 \
        "SELECT count(*) FROM public.chunks WHERE id = 'a0000000-0000-4000-8000-000000000001'
         AND tableoid::regclass::text = 'chunks_p' || lpad(partition_key::text, 2, '0')"

    step "Back again: that row would be lost, so rollback asks"
    expect_exit 2 rollback
    expect_exit 0 rollback --keep-new-rows
    expect "public.chunks is again" \
        "HASH (collection_id), 16 leaves, PRIMARY KEY (id, collection_id)" "$layout_sql"
    expect "it has the row that was written meanwhile" 1 \
        "SELECT count(*) FROM public.chunks WHERE content = 'written after the swap'"
    run_sql -c "DELETE FROM public.chunks WHERE content = 'written after the swap'"
    expect "without it, rows and checksum are those from before" "$before" "$(digest_sql public.chunks)"
    expect "tables and triggers that pgfanout left on the application's side" 0 \
        "SELECT (SELECT count(*) FROM pg_class WHERE relname ~ '^chunks_(new|backup|p[0-9])')
              + (SELECT count(*) FROM pg_trigger WHERE tgname ~ 'pgfanout')"
}
