-- Rows of 586 bytes as binary COPY carries them, with a primary key and four indexes.
--
--   psql -v part=tables -f items.sql
--   psql -v part=rows -v first=A -v last=B -f items.sql    by as many sessions as there are processors
--   psql -v part=keys -f items.sql
SET synchronous_commit = off;
SET client_min_messages = warning;
SET maintenance_work_mem = '512MB';
SELECT :'part' = 'tables' AS tables, :'part' = 'rows' AS rows, :'part' = 'keys' AS keys
\gset

\if :tables
CREATE TABLE public.items (
    id bigint NOT NULL,
    collection_id uuid NOT NULL,
    document_id bigint NOT NULL,
    position integer NOT NULL,
    status text NOT NULL,
    title text NOT NULL,
    content text NOT NULL,
    content_hash bytea NOT NULL,
    score double precision,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
) PARTITION BY HASH (collection_id);
SELECT format('CREATE TABLE public.items_h%s PARTITION OF public.items FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
              lpad(r::text, 2, '0'), r) FROM generate_series(0, 15) AS r \gexec
\endif

\if :rows
-- 50 rows that follow each other belong to one of 20,000 collections. Nothing is long enough to be compressed.
INSERT INTO public.items
SELECT n, md5((n / 50 % 20000)::text)::uuid, n / 10, n % 10, CASE n % 10 WHEN 0 THEN 'new' WHEN 1 THEN 'failed' ELSE 'done' END,
       'Title of item ' || n, left(repeat(md5(n::text) || ' ', 12), 393), sha256(n::text::bytea), n % 1000 / 7.0,
       jsonb_build_object('page', n % 300, 'lang', CASE n % 3 WHEN 0 THEN 'en' ELSE 'de' END),
       timestamptz '2024-01-01 00:00:00+00' + n * interval '1.7 s',
       timestamptz '2024-06-01 00:00:00+00' + n * interval '0.9 s'
FROM generate_series(:first::bigint, :last::bigint) AS n;
\endif

\if :keys
ALTER TABLE public.items ADD PRIMARY KEY (id, collection_id);
CREATE INDEX items_document ON public.items (document_id, position);
CREATE INDEX items_created ON public.items (created_at);
CREATE INDEX items_collection ON public.items (collection_id, status);
CREATE INDEX items_hash ON public.items (content_hash);
VACUUM (FREEZE, ANALYZE) public.items;
\endif
