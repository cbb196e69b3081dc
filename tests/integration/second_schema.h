// A schema unlike chunks_schema.h: a plain table with objects that `chunks` does not have, under
// names that need quotes. `@T` is a placeholder for the table.
#pragma once

namespace pgfanout::testing {

/// 63 bytes, braces among them.
inline constexpr const char* kLinesName =
    "Lines \"of\" the {Shop}'s café, which are all sixty-three bytes.";

/// Roles are the server's: made once for all tests.
inline constexpr const char* kSecondSchema = R"sql(
DO $$ BEGIN
  IF to_regrole('shop_auditor') IS NULL THEN
    CREATE ROLE "shop clerk" LOGIN; CREATE ROLE shop_auditor LOGIN; CREATE ROLE "Shop's owner";
  END IF;
END $$;
CREATE EXTENSION btree_gist;
CREATE SCHEMA "Sales & Co";
GRANT USAGE, CREATE ON SCHEMA "Sales & Co" TO "Shop's owner";
GRANT USAGE ON SCHEMA "Sales & Co" TO "shop clerk", shop_auditor;
SET search_path = "Sales & Co", public;
CREATE TABLE regions ("Tenant Id" int, region text, PRIMARY KEY ("Tenant Id", region));
CREATE TABLE products (maker int, "Number" text, PRIMARY KEY (maker, "Number"));
CREATE TABLE line_log (external_id int);
INSERT INTO regions SELECT t, 'r' || r FROM generate_series(1, 5) t, generate_series(0, 7) r;
INSERT INTO products SELECT m, 'p' || m FROM generate_series(1, 20) m;
CREATE TABLE @T (
  "Line No" bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 3),
  "Tenant Id" int NOT NULL,
  region text NOT NULL,
  maker int,
  "Product's Number" text COLLATE "C",
  booked int4range NOT NULL,
  area box,
  amount numeric(12,2) NOT NULL,
  total numeric GENERATED ALWAYS AS (amount * 2) STORED,
  note varchar(40) DEFAULT 'none',
  external_id int NOT NULL,
  CONSTRAINT "Lines pkey" PRIMARY KEY ("Line No", "Tenant Id", region),
  CONSTRAINT "ext per tenant" UNIQUE ("Tenant Id", region, external_id)
    DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT "ext everywhere" UNIQUE (external_id),
  CONSTRAINT "no overlap" EXCLUDE USING gist ("Tenant Id" WITH =, region WITH =, booked WITH &&)
    WHERE (amount > 0),
  CONSTRAINT "areas apart" EXCLUDE USING gist (area WITH &&),
  CONSTRAINT "region fkey" FOREIGN KEY ("Tenant Id", region) REFERENCES regions MATCH FULL
    ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT "product's fkey" FOREIGN KEY (maker, "Product's Number") REFERENCES products
    ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT "amount isn't negative" CHECK (amount >= 0)
) WITH (fillfactor = 80, autovacuum_enabled = false, toast.autovacuum_enabled = false);
INSERT INTO @T ("Tenant Id", region, maker, "Product's Number", booked, area, amount, note,
    external_id)
  SELECT 1 + n % 5, 'r' || n % 8, CASE WHEN n % 3 > 0 THEN 1 + n % 20 END,
    CASE WHEN n % 3 > 0 THEN 'p' || 1 + n % 20 END, int4range(n * 10, n * 10 + 5),
    box(point(n * 10, 0), point(n * 10 + 1, 1)), n % 700, CASE WHEN n % 4 > 0 THEN 'note ' || n END,
    n
  FROM generate_series(1, 1500) n;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE INDEX "big ones" ON @T (amount DESC, note) WHERE amount > 500;
CREATE INDEX "By lower note" ON @T (lower(note) text_pattern_ops, ("Line No" + 1))
  INCLUDE (external_id);
CREATE UNIQUE INDEX "Identity of ""lines""" ON @T (region, "Tenant Id", external_id);
ALTER TABLE @T REPLICA IDENTITY USING INDEX "Identity of ""lines""";
ALTER TABLE @T ALTER note SET STORAGE EXTERNAL, ALTER note SET STATISTICS 55,
  ALTER "Tenant Id" SET (n_distinct = -0.5);
CREATE STATISTICS "tenants' stats" (ndistinct, mcv) ON "Tenant Id", region FROM @T;
ALTER STATISTICS "tenants' stats" SET STATISTICS 77;
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO "Sales & Co".line_log VALUES (-NEW.external_id); RETURN NEW; END';
CREATE TRIGGER "a disabled one" BEFORE INSERT ON @T FOR EACH ROW EXECUTE FUNCTION shout();
ALTER TABLE @T DISABLE TRIGGER "a disabled one";
CREATE TRIGGER "an always one" AFTER UPDATE OF note ON @T FOR EACH ROW
  WHEN (OLD.note IS DISTINCT FROM NEW.note) EXECUTE FUNCTION shout();
ALTER TABLE @T ENABLE ALWAYS TRIGGER "an always one";
CREATE RULE "log the Inserts" AS ON INSERT TO @T DO ALSO
  INSERT INTO line_log VALUES (NEW.external_id);
CREATE RULE "keep zeros" AS ON DELETE TO @T WHERE OLD.amount = 0 DO INSTEAD NOTHING;
ALTER TABLE @T ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "own tenant" ON @T TO "shop clerk" USING ("Tenant Id" = 1)
  WITH CHECK ("Tenant Id" = 1 AND amount < 5000);
CREATE POLICY everything ON @T TO "Shop's owner", shop_auditor USING (true);
CREATE POLICY "not the huge" ON @T AS RESTRICTIVE FOR SELECT USING (amount < 100000);
GRANT SELECT ("Line No", "Tenant Id", amount), UPDATE (note) ON @T TO "shop clerk" WITH GRANT OPTION;
GRANT SELECT, DELETE ON @T TO shop_auditor WITH GRANT OPTION;
COMMENT ON TABLE @T IS 'the ''lines''';
COMMENT ON COLUMN @T."Product's Number" IS 'of the maker';
COMMENT ON INDEX "big ones" IS 'partial';
COMMENT ON CONSTRAINT "ext per tenant" ON @T IS 'at the end';
COMMENT ON CONSTRAINT "product's fkey" ON @T IS 'both or none';
COMMENT ON POLICY "own tenant" ON @T IS 'clerks';
COMMENT ON RULE "log the Inserts" ON @T IS 'for the books';
COMMENT ON TRIGGER "an always one" ON @T IS 'always';
COMMENT ON STATISTICS "tenants' stats" IS 'correlated';
CREATE TABLE "line notes" (id int PRIMARY KEY, line bigint, tenant int, region text,
  CONSTRAINT "notes' line" FOREIGN KEY (line, tenant, region) REFERENCES @T ON DELETE CASCADE);
INSERT INTO "line notes" SELECT row_number() OVER (), "Line No", "Tenant Id", region FROM @T
  WHERE external_id % 100 = 0;
CREATE VIEW "Line totals" AS SELECT "Tenant Id", sum(total) AS total, count(*) AS lines FROM @T
  GROUP BY 1;
GRANT SELECT ON "Line totals" TO shop_auditor;
ALTER TABLE @T OWNER TO "Shop's owner";
ALTER TABLE regions OWNER TO "Shop's owner";
ALTER TABLE products OWNER TO "Shop's owner";
ALTER TABLE "line notes" OWNER TO "Shop's owner";
GRANT SELECT, INSERT ON line_log TO "Shop's owner";
ANALYZE;
)sql";

}  // namespace pgfanout::testing
