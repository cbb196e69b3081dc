-- Rows that are stored out of line: 20 kB of text and 1,536 numbers each. Every second row compresses
-- well, the others hardly. psql -v rows=N -f wide.sql
SET synchronous_commit = off;
SET client_min_messages = warning;
DROP TABLE IF EXISTS public.wide;
CREATE TABLE public.wide (id bigint NOT NULL, owner bigint NOT NULL, body text NOT NULL, embedding real[] NOT NULL)
    PARTITION BY HASH (owner);
SELECT format('CREATE TABLE public.wide_h%s PARTITION OF public.wide FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
              lpad(r::text, 2, '0'), r) FROM generate_series(0, 15) AS r \gexec
-- 640 times 32 digits of a hash, or one sentence again and again.
INSERT INTO public.wide
SELECT n, n % 5000,
       CASE n % 2 WHEN 0 THEN (SELECT string_agg(md5(n || '/' || i), '') FROM generate_series(1, 640) AS i)
            ELSE left(repeat('The row with the number ' || n || ' says the same again. ', 600), 20480) END,
       CASE n % 2 WHEN 0 THEN (SELECT array_agg((hashint8(n * 1536 + i) / 2147483648.0)::real)
                               FROM generate_series(1, 1536) AS i)
            ELSE array_fill((n % 100)::real, ARRAY[1536]) END
FROM generate_series(1, :rows) AS n;
ALTER TABLE public.wide ADD PRIMARY KEY (id, owner);
VACUUM (FREEZE, ANALYZE) public.wide;
