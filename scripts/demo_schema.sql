-- The demo's tables: `chunks`, 16 HASH partitions, and the two tables that it refers to.
--
--   psql -f demo_schema.sql                 everything
--   psql -v part=tables -f demo_schema.sql  tables without keys, to load into
--   psql -v part=keys -f demo_schema.sql    primary and foreign keys, after the load

\if :{?part}
\else
  \set part all
\endif
SELECT :'part' IN ('all', 'tables') AS tables, :'part' IN ('all', 'keys') AS keys
\gset

\if :tables
CREATE TABLE public.collections (
    id uuid NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.documents (
    id uuid NOT NULL,
    collection_id uuid NOT NULL,
    title text NOT NULL,
    path text NOT NULL,
    chapter text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.chunks (
    id uuid NOT NULL,
    collection_id uuid NOT NULL,
    document_id uuid,
    chunk_index integer NOT NULL,
    content text NOT NULL,
    content_hash bytea,
    token_count integer,
    start_offset integer,
    end_offset integer,
    metadata jsonb NOT NULL DEFAULT '{}',
    embedding_model text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz
) PARTITION BY HASH (collection_id);

SELECT format('CREATE TABLE public.chunks_h%s PARTITION OF public.chunks '
              'FOR VALUES WITH (MODULUS 16, REMAINDER %s)', lpad(r::text, 2, '0'), r)
FROM generate_series(0, 15) AS r
\gexec
\endif

\if :keys
ALTER TABLE public.collections ADD PRIMARY KEY (id);
ALTER TABLE public.documents ADD PRIMARY KEY (id);
ALTER TABLE public.chunks ADD PRIMARY KEY (id, collection_id);
ALTER TABLE public.documents
    ADD FOREIGN KEY (collection_id) REFERENCES public.collections (id) ON DELETE CASCADE;
ALTER TABLE public.chunks
    ADD FOREIGN KEY (collection_id) REFERENCES public.collections (id) ON DELETE CASCADE;
ALTER TABLE public.chunks
    ADD FOREIGN KEY (document_id) REFERENCES public.documents (id) ON DELETE CASCADE;
\endif
