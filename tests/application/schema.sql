-- An application's tables as they are before a window: chunks of documents, in HASH partitions by collection.
CREATE TABLE collections (id varchar(255) PRIMARY KEY, name varchar NOT NULL);
CREATE TABLE documents (id varchar(255) PRIMARY KEY, file_path text NOT NULL,
  collection_id varchar(255) NOT NULL REFERENCES collections (id) ON DELETE CASCADE);
CREATE TABLE chunks (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  collection_id varchar(255) NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
  document_id varchar(255) NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
  chunk_index integer NOT NULL,
  content text NOT NULL,
  embedding real[],
  meta json,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz,
  PRIMARY KEY (id, collection_id)
) PARTITION BY HASH (collection_id);
DO $$ BEGIN FOR r IN 0..3 LOOP EXECUTE format(
  'CREATE TABLE chunks_h%s PARTITION OF chunks FOR VALUES WITH (MODULUS 4, REMAINDER %s)', r, r); END LOOP; END $$;
CREATE INDEX ix_chunks_document_id ON chunks (document_id);
CREATE VIEW recent_chunks AS SELECT collection_id, content FROM chunks WHERE created_at > now() - interval '1 day';
INSERT INTO collections SELECT 'c' || n, 'collection ' || n FROM generate_series(1, 12) n;
INSERT INTO documents SELECT 'd' || n, '/data/' || n || '.md', 'c' || (1 + n % 12) FROM generate_series(1, 24) n;
INSERT INTO chunks (collection_id, document_id, chunk_index, content, embedding, meta)
  SELECT 'c' || (1 + n % 12), 'd' || (1 + (n - 1) % 24), n / 24, 'chunk ' || n, ARRAY[n, 0.5]::real[],
    json_build_object('page', n % 100) FROM generate_series(1, 240) n;
ANALYZE;
