-- Rows of some 40 bytes: two numbers and a key in text. psql -v rows=N -f narrow.sql
SET synchronous_commit = off;
SET client_min_messages = warning;
DROP TABLE IF EXISTS public.narrow;
CREATE TABLE public.narrow (id bigint NOT NULL, amount bigint NOT NULL, name text NOT NULL) PARTITION BY HASH (name);
SELECT format('CREATE TABLE public.narrow_h%s PARTITION OF public.narrow FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
              lpad(r::text, 2, '0'), r) FROM generate_series(0, 15) AS r \gexec
INSERT INTO public.narrow SELECT n, n * 7919 % 1000003, 'name ' || n % 50000 FROM generate_series(1, :rows) AS n;
ALTER TABLE public.narrow ADD PRIMARY KEY (id, name);
VACUUM (FREEZE, ANALYZE) public.narrow;
