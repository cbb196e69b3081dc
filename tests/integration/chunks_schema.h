// The schema of the main use case: collections, documents, chunking configurations, and their
// chunks in 16 HASH partitions, with all dependent objects.
#pragma once

#include <string>

namespace pgfanout::testing {

/// Roles are the server's: made once for all tests.
inline constexpr const char* kChunksSchema = R"sql(
DO $$ BEGIN
  IF to_regrole('chunks_owner') IS NULL THEN CREATE ROLE chunks_owner; END IF;
  IF to_regrole('chunks_app') IS NULL THEN CREATE ROLE chunks_app LOGIN; END IF;
  IF to_regrole('chunks_reader') IS NULL THEN CREATE ROLE chunks_reader LOGIN; END IF;
END $$;
GRANT CREATE, USAGE ON SCHEMA public TO chunks_owner;
GRANT USAGE ON SCHEMA public TO chunks_app, chunks_reader;
CREATE TABLE collections (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE documents (id uuid PRIMARY KEY, collection_id uuid NOT NULL REFERENCES collections
  ON DELETE CASCADE, title text);
CREATE TABLE chunking_configs (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE, size int NOT NULL);
CREATE TABLE chunks (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  collection_id uuid NOT NULL,
  document_id uuid NOT NULL,
  chunking_config_id int,
  chunk_index int NOT NULL,
  content text NOT NULL,
  meta json,
  metadata jsonb,
  embedding real[],
  token_count int,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz,
  CONSTRAINT chunks_pkey PRIMARY KEY (id, collection_id),
  CONSTRAINT chunks_token_count_check CHECK (token_count >= 0),
  CONSTRAINT chunks_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES collections
    ON DELETE CASCADE,
  CONSTRAINT chunks_document_id_fkey FOREIGN KEY (document_id) REFERENCES documents
    ON DELETE CASCADE,
  CONSTRAINT chunks_chunking_config_id_fkey FOREIGN KEY (chunking_config_id)
    REFERENCES chunking_configs ON DELETE CASCADE
) PARTITION BY HASH (collection_id);
DO $$ BEGIN FOR r IN 0..15 LOOP
  EXECUTE format('CREATE TABLE chunks_%s PARTITION OF chunks FOR VALUES WITH (MODULUS 16,'
    ' REMAINDER %s)', r, r);
  EXECUTE format('ALTER TABLE chunks_%s OWNER TO chunks_owner', r);
END LOOP; END $$;
CREATE INDEX chunks_document_id_idx ON chunks (document_id, chunk_index) INCLUDE (token_count);
CREATE INDEX chunks_recent_idx ON chunks (collection_id, created_at DESC);
CREATE INDEX chunks_content_md5_idx ON chunks (md5(content));
CREATE INDEX chunks_to_embed_idx ON chunks (created_at) WHERE embedding IS NULL;
CREATE INDEX chunks_metadata_idx ON chunks USING gin (metadata jsonb_path_ops);
CREATE INDEX chunks_content_idx ON chunks USING gin (to_tsvector('english', content));
CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN NEW.updated_at := now(); RETURN NEW; END';
CREATE TRIGGER chunks_touch BEFORE UPDATE ON chunks FOR EACH ROW EXECUTE FUNCTION
  touch_updated_at();
COMMENT ON TABLE chunks IS 'pieces of documents';
COMMENT ON COLUMN chunks.content IS 'the text';
COMMENT ON COLUMN chunks.metadata IS 'what is known about it';
COMMENT ON INDEX chunks_content_idx IS 'full text';
COMMENT ON CONSTRAINT chunks_token_count_check ON chunks IS 'no negative counts';
COMMENT ON CONSTRAINT chunks_pkey ON chunks IS 'the key';
COMMENT ON TRIGGER chunks_touch ON chunks IS 'keeps updated_at';
INSERT INTO collections SELECT md5('c' || n)::uuid, 'collection ' || n
  FROM generate_series(1, 60) n;
INSERT INTO documents SELECT md5('d' || n)::uuid, md5('c' || 1 + n % 60)::uuid, 'document ' || n
  FROM generate_series(1, 300) n;
INSERT INTO chunking_configs (name, size) SELECT 'config ' || n, 100 * n
  FROM generate_series(1, 4) n;
INSERT INTO chunks SELECT md5('k' || n)::uuid, d.collection_id, d.id,
    nullif(n % 5, 0), n / 300, 'text of chunk ' || n || repeat(' more', n % 40),
    CASE n % 3 WHEN 0 THEN json_build_object('page', n) END,
    CASE n % 4 WHEN 0 THEN jsonb_build_object('lang', 'en', 'n', n) END,
    CASE WHEN n % 6 > 0 THEN ARRAY[n, n / 7.0, -1]::real[] END, n % 500,
    timestamptz '2024-01-01' + n * interval '1 minute',
    CASE WHEN n % 2 = 0 THEN timestamptz '2025-01-01' + n * interval '1 minute' END
  FROM generate_series(1, 600) n JOIN documents d ON d.id = md5('d' || 1 + n % 300)::uuid;
CREATE MATERIALIZED VIEW collection_chunking_stats AS
  SELECT collection_id, chunking_config_id, count(*) AS chunk_count, sum(token_count) AS tokens,
    avg(length(content))::numeric(10, 2) AS average_length, max(created_at) AS newest
  FROM chunks GROUP BY collection_id, chunking_config_id;
CREATE UNIQUE INDEX collection_chunking_stats_key
  ON collection_chunking_stats (collection_id, chunking_config_id);
COMMENT ON MATERIALIZED VIEW collection_chunking_stats IS 'refreshed by night';
CREATE VIEW collection_overview AS
  SELECT c.id, c.name, coalesce(sum(s.chunk_count), 0) AS chunks, sum(s.tokens) AS tokens
  FROM collections c LEFT JOIN collection_chunking_stats s ON s.collection_id = c.id
  GROUP BY c.id, c.name;
GRANT SELECT, INSERT, UPDATE, DELETE ON chunks TO chunks_app;
GRANT SELECT (id, collection_id, content) ON chunks TO chunks_reader;
GRANT SELECT ON collection_chunking_stats, collection_overview TO chunks_reader;
ALTER TABLE chunks OWNER TO chunks_owner;
ALTER MATERIALIZED VIEW collection_chunking_stats OWNER TO chunks_owner;
ALTER VIEW collection_overview OWNER TO chunks_owner;
ALTER TABLE collections OWNER TO chunks_owner;
ALTER TABLE documents OWNER TO chunks_owner;
ALTER TABLE chunking_configs OWNER TO chunks_owner;
ANALYZE;
)sql";

/// The sequence that the migration prepares for its new ids.
inline constexpr const char* kChunksSequence = R"sql(
CREATE SEQUENCE chunks_id_seq;
ALTER SEQUENCE chunks_id_seq OWNER TO chunks_owner;
GRANT USAGE ON SEQUENCE chunks_id_seq TO chunks_app;
)sql";

/// The migration as it was asked for, into fewer leaves.
inline constexpr const char* kChunksJob = R"toml(
skip = ["meta"]

[source]
table = "public.chunks"

[target]
partitions = 8

[map]
id = "nextval('public.chunks_id_seq')"
legacy_id = "id"
metadata = "coalesce(metadata, meta::jsonb, '{}'::jsonb)"
updated_at = "coalesce(updated_at, created_at)"

[[queries]]
name = "chunks of a collection"
sql = "SELECT id, content FROM {table} WHERE collection_id = md5('c7')::uuid"
target_sql = """
SELECT legacy_id, content FROM {table} WHERE collection_id = md5('c7')::uuid
  AND partition_key = abs(hashtext(md5('c7')::uuid::text)) % 8"""
max_partitions = 1
)toml";

}  // namespace pgfanout::testing
