#include "copier/verify/distribution_views.h"

#include "copier/pg/transaction.h"
#include "copier/session/job_connections.h"

namespace pgfanout {
namespace {

constexpr const char* kViewsSql = R"sql(
CREATE OR REPLACE VIEW pgfanout.partition_distribution AS
SELECT r.relid::regclass AS table_name,
       c.oid::regclass AS partition,
       pg_get_expr(c.relpartbound, c.oid) AS bound,
       greatest(s.n_live_tup, c.reltuples::int8, 0) AS estimated_rows,
       round((100.0 * greatest(s.n_live_tup, c.reltuples::int8, 0)
         / nullif(sum(greatest(s.n_live_tup, c.reltuples::int8, 0))
             OVER (PARTITION BY r.relid), 0))::numeric, 2) AS percent_of_rows,
       pg_table_size(c.oid) AS table_bytes,
       pg_indexes_size(c.oid) AS index_bytes,
       pg_size_pretty(pg_total_relation_size(c.oid)) AS total_size,
       s.n_dead_tup AS dead_rows,
       greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at
FROM pg_partitioned_table p
CROSS JOIN LATERAL (SELECT p.partrelid AS relid) AS r
CROSS JOIN LATERAL pg_partition_tree(p.partrelid) AS t
JOIN pg_class c ON c.oid = t.relid AND t.isleaf
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = p.partrelid);

CREATE OR REPLACE VIEW pgfanout.partition_skew AS
SELECT d.table_name,
       count(*) AS partitions,
       sum(d.estimated_rows)::int8 AS estimated_rows,
       round(avg(d.estimated_rows), 1) AS mean_rows,
       min(d.estimated_rows) AS least_rows,
       max(d.estimated_rows) AS most_rows,
       count(*) FILTER (WHERE d.estimated_rows = 0) AS empty_partitions,
       round(max(d.estimated_rows) / nullif(avg(d.estimated_rows), 0), 2) AS skew,
       CASE WHEN max(d.estimated_rows) >= 3 * avg(d.estimated_rows)
              AND sum(d.estimated_rows) > 0 THEN 'CRITICAL'
            WHEN max(d.estimated_rows) >= 1.5 * avg(d.estimated_rows)
              AND sum(d.estimated_rows) > 0 THEN 'WARNING'
            ELSE 'NORMAL' END AS status,
       pg_size_pretty(sum(d.table_bytes + d.index_bytes)) AS total_size
FROM pgfanout.partition_distribution d
GROUP BY d.table_name;

CREATE OR REPLACE VIEW pgfanout.hot_partitions AS
SELECT a.table_name, a.partition, a.rows_written, a.scans,
       round(a.rows_written / nullif(avg(a.rows_written)
         OVER (PARTITION BY a.table_name), 0), 2) AS writes_over_mean,
       round(a.scans / nullif(avg(a.scans)
         OVER (PARTITION BY a.table_name), 0), 2) AS scans_over_mean,
       rank() OVER (PARTITION BY a.table_name
         ORDER BY a.rows_written DESC, a.scans DESC) AS place
FROM (SELECT d.table_name, d.partition,
             coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0) AS rows_written,
             coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) AS scans
      FROM pgfanout.partition_distribution d
      LEFT JOIN pg_stat_all_tables s ON s.relid = d.partition) a;
)sql";

}  // namespace

Result<void> install_views(const JobDescription& job) {
  PGFANOUT_TRY_ASSIGN(Connection connection,
                      Connection::open(connect_options(job, target_dsn_of(job), "pgfanout/views")));
  // CREATE SCHEMA IF NOT EXISTS asks for the privilege even if there is nothing to create.
  PGFANOUT_TRY_ASSIGN(const Rows exists, connection.query("SELECT 1 FROM pg_namespace"
                                                          " WHERE nspname = 'pgfanout'"));
  return in_transaction(connection, {}, [&]() -> Result<void> {
    if (exists.size() == 0) PGFANOUT_TRY(connection.run("CREATE SCHEMA pgfanout"));
    auto made = connection.run(kViewsSql);
    if (!made) made.error().hint = "the role must own schema pgfanout, or be granted CREATE on it";
    return made;
  });
}

}  // namespace pgfanout
