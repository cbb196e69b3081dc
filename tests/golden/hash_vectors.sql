-- Known answers of a server's hash functions, for hash_vectors.tsv (see hash_vectors.sh).
-- One line each: function, argument (bytes in hexadecimal, integers in decimal), seed or -, result.
WITH texts(x) AS (
  VALUES ('c1606105947x'), ('c6920574805x'), ('l7ba1ah7'), ('fgcaxj4b'), ('é'), ('日本語のテキスト'),
         ('🐘 elephant'), ('a'), ('a '), (' '), ('550e8400-e29b-41d4-a716-446655440000'),
         ('00000000-0000-0000-0000-000000000000'), (repeat('x', 1000)), (E'tab\tnew\nline')
  UNION ALL
  SELECT left(repeat(md5(i::text), 3), i) FROM generate_series(0, 64) i
  UNION ALL
  SELECT left(repeat('äöü€', 16), i) FROM generate_series(1, 17) i
), uuids(u) AS (
  SELECT md5('uuid' || i)::uuid FROM generate_series(1, 20) i
  UNION ALL VALUES ('ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid),
                   ('00000000-0000-0000-0000-000000000000'::uuid)
), int8s(n) AS (
  SELECT (sign * ((1::numeric * 2 ^ power) + delta))::numeric
    FROM unnest(ARRAY[-1, 1]) sign, unnest(ARRAY[0, 7, 15, 16, 31, 32, 33, 62, 63]) power,
         unnest(ARRAY[-1, 0, 1]) delta
  UNION VALUES (0::numeric), (42), (-1), (123456789012345678)
), ints(n) AS (
  SELECT DISTINCT round(n)::int8 FROM int8s
   WHERE n BETWEEN -9223372036854775808 AND 9223372036854775807
), seeds(s) AS (
  VALUES (0::int8), (1), (-1), (8816678312871386365), ('-9223372036854775808'::int8), (4294967296)
), answers(f, a, s, r) AS (
  SELECT 'hashtext', encode(convert_to(x, 'UTF8'), 'hex'), '-', hashtext(x)::text FROM texts
  UNION ALL
  SELECT 'hashtextextended', encode(convert_to(x, 'UTF8'), 'hex'), s::text,
         hashtextextended(x, s)::text FROM texts, seeds
  UNION ALL
  SELECT 'hashbpchar', encode(convert_to(x || pad, 'UTF8'), 'hex'), '-',
         hashbpchar((x || pad)::bpchar)::text
    FROM texts, unnest(ARRAY['', '  ']) pad WHERE length(x) < 20
  UNION ALL
  SELECT 'hashbpcharextended', encode(convert_to(x || '   ', 'UTF8'), 'hex'), s::text,
         hashbpcharextended((x || '   ')::bpchar, s)::text FROM texts, seeds WHERE length(x) < 9
  UNION ALL
  SELECT 'uuid_hash', replace(u::text, '-', ''), '-', uuid_hash(u)::text FROM uuids
  UNION ALL
  SELECT 'uuid_hash_extended', replace(u::text, '-', ''), s::text,
         uuid_hash_extended(u, s)::text FROM uuids, seeds
  UNION ALL
  SELECT 'hashint8', n::text, '-', hashint8(n)::text FROM ints
  UNION ALL
  SELECT 'hashint8extended', n::text, s::text, hashint8extended(n, s)::text FROM ints, seeds
  UNION ALL
  SELECT 'hashint4', n::text, '-', hashint4(n::int4)::text
    FROM ints WHERE n BETWEEN -2147483648 AND 2147483647
  UNION ALL
  SELECT 'hashint4extended', n::text, s::text, hashint4extended(n::int4, s)::text
    FROM ints, seeds WHERE n BETWEEN -2147483648 AND 2147483647
  UNION ALL
  SELECT 'hashint2', n::text, '-', hashint2(n::int2)::text
    FROM ints WHERE n BETWEEN -32768 AND 32767
  UNION ALL
  SELECT 'hashint2extended', n::text, s::text, hashint2extended(n::int2, s)::text
    FROM ints, seeds WHERE n BETWEEN -32768 AND 32767
)
SELECT f, a, s, r FROM answers GROUP BY f, a, s, r ORDER BY f COLLATE "C", length(a), a COLLATE "C", s COLLATE "C";
