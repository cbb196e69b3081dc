// Triggers, rules and policies of the source; rules, policies and functions elsewhere that refer to
// it by its OID and can be defined again by its name; and the function that computes the key.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "copier/carry/carry_parts.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/key/key_plan.h"
#include "copier/layout/known_key.h"

namespace pgfanout {
namespace {

constexpr const char* kLossIsAccepted =
    "accept the loss by this name, or change it before the window";

// {}: columns_used().

/// Without pgfanout's own fence, which belongs to the job and not to the table. Columns: UPDATE OF
/// and WHEN.
constexpr const char* kTriggersSql = R"sql(
SELECT t.oid, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled,
  (t.tgtype & 1) <> 0 AND (t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL),
  {}, t.tgfoid::regproc::text || '()'
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgparentid = 0
  AND n.nspname <> 'pgfanout' AND NOT starts_with(t.tgname, 'pgfanout_')
ORDER BY t.tgname)sql";

constexpr const char* kRulesSql = R"sql(
SELECT r.oid, r.rulename, btrim(pg_get_ruledef(r.oid), E' ;\n'), r.ev_enabled, {}
FROM pg_rewrite r WHERE r.ev_class = $1::oid AND r.rulename <> '_RETURN' ORDER BY r.rulename)sql";

/// Conditions apart, since only they are rewritten.
constexpr const char* kPoliciesSql = R"sql(
SELECT p.oid, p.polname, format('AS %s FOR %s TO %s',
    CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
    CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
      WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
    (SELECT string_agg(COALESCE(NULLIF(r.oid, 0)::regrole::text, 'PUBLIC'), ', ' ORDER BY r.place)
     FROM unnest(p.polroles) WITH ORDINALITY r(oid, place))),
  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), {}
FROM pg_policy p WHERE p.polrelid = $1::oid ORDER BY p.polname)sql";

constexpr const char* kPolicyRolesSql = R"sql(
SELECT p.polname, pg_get_userbyid(r.oid) FROM pg_policy p
CROSS JOIN LATERAL unnest(p.polroles) r(oid) WHERE p.polrelid = $1::oid AND r.oid <> 0)sql";

constexpr const char* kRowSecuritySql =
    "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::oid";

constexpr const char* kSilencedKeysSql =
    "SELECT string_agg(DISTINCT quote_ident(c.conname), ', ')"
    " FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint"
    " WHERE t.tgrelid = $1::oid AND t.tgisinternal AND t.tgenabled <> 'O' AND c.contype = 'f'";

/// ALTER TABLE's words for pg_trigger.tgenabled and pg_rewrite.ev_enabled; empty for the default.
std::string_view enabling(std::string_view state) {
  if (state == "D") return "DISABLE";
  if (state == "A") return "ENABLE ALWAYS";
  if (state == "R") return "ENABLE REPLICA";
  return {};
}

/// A trigger, rule or policy: created on the target by `sql`, or left behind for `obstacle`.
/// `words` are its kind in SQL, `state` is its tgenabled or ev_enabled.
void carry_object(CarryDraft& draft, CarriedClass of, std::string_view words, const Rows& rows,
                  int row, std::string obstacle, std::string sql, std::string_view state) {
  const std::string kind = lower_case(words);
  const std::string name = rows.str(row, 1);
  if (obstacle.empty()) obstacle = draft.row_type_obstacle(of, rows.oid(row, 0));
  if (!obstacle.empty()) {
    draft.leave_behind(kind, display_name(name), std::move(obstacle), kLossIsAccepted);
    return;
  }
  if (!enabling(state).empty()) {
    sql += fmt::format(";\nALTER TABLE {} {} {} {}", draft.table, enabling(state), words,
                       quoted_name(name));
  }
  draft.add_attribute(fmt::format("{} {}", kind, display_name(name)), std::move(sql));
  draft.record(of, rows.oid(row, 0),
               fmt::format("{} {} ON {}", words, quoted_name(name), draft.table));
}

Result<std::string> trigger_obstacle(CarryDraft& draft, const Rows& rows, int row) {
  std::string missing = draft.missing_columns(rows.text(row, 5));
  if (!missing.empty()) return missing;
  if (rows.boolean(row, 4) && !draft.rules.is_plain) {
    return std::string("a partitioned table cannot have a row trigger with transition tables");
  }
  if (draft.request.same_database) return std::string();
  PGFANOUT_TRY_ASSIGN(const Rows found,
                      draft.target.query("SELECT to_regprocedure($1) IS NULL", {rows.str(row, 6)}));
  return found.boolean(0, 0)
             ? fmt::format("the target's database has no function {}", rows.text(row, 6))
             : std::string();
}

Result<void> carry_triggers(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      draft.read(fmt::format(kTriggersSql, columns_used("pg_trigger", "t.oid", "t.tgrelid"))));
  for (int row = 0; row < rows.size(); ++row) {
    PGFANOUT_TRY_ASSIGN(const std::string obstacle, trigger_obstacle(draft, rows, row));
    carry_object(draft, CarriedClass::trigger, "TRIGGER", rows, row, obstacle,
                 draft.on_target(rows.text(row, 2)), rows.text(row, 3));
  }
  return {};
}

Result<void> carry_rules(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      draft.read(fmt::format(kRulesSql, columns_used("pg_rewrite", "r.oid", "r.ev_class"))));
  for (int row = 0; row < rows.size(); ++row) {
    carry_object(draft, CarriedClass::rule, "RULE", rows, row,
                 draft.missing_columns(rows.text(row, 4)), draft.on_target(rows.text(row, 2)),
                 rows.text(row, 3));
  }
  return {};
}

Result<std::string> missing_role(CarryDraft& draft, const Rows& roles, const std::string& policy) {
  for (int row = 0; row < roles.size(); ++row) {
    if (roles.text(row, 0) != policy) continue;
    PGFANOUT_TRY_ASSIGN(const bool is_there, draft.has_role(roles.str(row, 1)));
    if (!is_there) {
      return fmt::format("the target's server has no role {}", display_name(roles.text(row, 1)));
    }
  }
  return std::string();
}

Result<void> carry_policies(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      draft.read(fmt::format(kPoliciesSql, columns_used("pg_policy", "p.oid", "p.polrelid"))));
  PGFANOUT_TRY_ASSIGN(const Rows roles, draft.read(kPolicyRolesSql));
  for (int row = 0; row < rows.size(); ++row) {
    std::string obstacle = draft.missing_columns(rows.text(row, 5));
    if (obstacle.empty()) {
      PGFANOUT_TRY_ASSIGN(obstacle, missing_role(draft, roles, rows.str(row, 1)));
    }
    std::string sql = fmt::format("CREATE POLICY {} ON {} {}", quoted_name(rows.text(row, 1)),
                                  draft.table, rows.text(row, 2));
    if (!rows.is_null(row, 3)) {
      sql += fmt::format(" USING ({})", draft.on_target(rows.text(row, 3)));
    }
    if (!rows.is_null(row, 4)) {
      sql += fmt::format(" WITH CHECK ({})", draft.on_target(rows.text(row, 4)));
    }
    carry_object(draft, CarriedClass::policy, "POLICY", rows, row, obstacle, std::move(sql), {});
  }
  return {};
}

Result<void> carry_row_security(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows row, draft.read(kRowSecuritySql));
  if (row.size() == 0) return {};
  std::vector<std::string_view> settings;
  if (row.boolean(0, 0)) settings.emplace_back("ENABLE ROW LEVEL SECURITY");
  if (row.boolean(0, 1)) settings.emplace_back("FORCE ROW LEVEL SECURITY");
  if (settings.empty()) return {};
  // After materialized views, whose filling must see every row.
  draft.last.push_back(
      {"row security", fmt::format("ALTER TABLE {} {}", draft.table, fmt::join(settings, ", "))});
  return {};
}

Result<void> note_silenced_keys(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows row, draft.read(kSilencedKeysSql));
  if (row.is_null(0, 0)) return {};
  draft.note(Severity::warning, "foreign-key-silenced",
             fmt::format("triggers of foreign keys are disabled on the source and will be enabled "
                         "on the target: {}",
                         row.text(0, 0)),
             "correct the rows that break these keys: the job stops when it validates them");
  return {};
}

/// Rules, policies and functions with a parsed body that use the table, or a routine over its row
/// type: their text is the same before and after the swap. Kind, name, statement, columns of the
/// source, table of the object, whether it names a leaf. {1}: row_type_tables().
constexpr const char* kReferrersSql = R"sql(
WITH {1}, used AS (SELECT d.classid, d.objid, string_agg(DISTINCT d.refobjsubid::text, ' ')
      FILTER (WHERE d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0) AS columns,
    bool_or(d.refclassid = 'pg_class'::regclass AND d.refobjid <> $1::oid) AS names_leaf
  FROM pg_depend d WHERE d.deptype = 'n'
    AND (d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT tree.oid FROM {0})
      OR d.refclassid = 'pg_proc'::regclass AND d.refobjid IN (SELECT oid FROM row_routine))
  GROUP BY d.classid, d.objid)
SELECT 'rule', r.rulename, regexp_replace(btrim(pg_get_ruledef(r.oid), E' ;\n'), '^CREATE ',
    'CREATE OR REPLACE '), u.columns, r.ev_class::regclass::text, u.names_leaf
FROM used u JOIN pg_rewrite r ON u.classid = 'pg_rewrite'::regclass
  AND r.oid = u.objid AND r.rulename <> '_RETURN'
WHERE r.ev_class NOT IN (SELECT tree.oid FROM {0})
UNION ALL
SELECT 'policy', p.polname, format('ALTER POLICY %I ON %s', p.polname, p.polrelid::regclass)
  || COALESCE(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
  || COALESCE(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''),
  u.columns, p.polrelid::regclass::text, u.names_leaf
FROM used u JOIN pg_policy p ON u.classid = 'pg_policy'::regclass AND p.oid = u.objid
WHERE p.polrelid NOT IN (SELECT tree.oid FROM {0})
UNION ALL
SELECT 'function', f.oid::regprocedure::text, pg_get_functiondef(f.oid), u.columns, '', u.names_leaf
FROM used u JOIN pg_proc f ON u.classid = 'pg_proc'::regclass
  AND f.oid = u.objid AND f.prokind IN ('f', 'p')
WHERE f.prosqlbody IS NOT NULL AND f.oid NOT IN (SELECT oid FROM row_routine)
ORDER BY 1, 5, 2)sql";

/// Their text also names columns of other tables, so a renamed column cannot be found in it.
std::string renamed_columns(const CarryDraft& draft, std::string_view numbers) {
  for (const int number : numbers_in<int>(numbers)) {
    const ColumnMatch* match = draft.columns.find(number);
    if (match != nullptr && match->target && *match->target != match->source->name) {
      return fmt::format("it uses column {}, which is renamed", match->source->quoted);
    }
  }
  return {};
}

/// Roles other than the owner that read or write the table, or some of its columns, for which the
/// key function is made; none if everybody may execute what this role creates.
constexpr const char* kKeyUsersSql = R"sql(
SELECT DISTINCT COALESCE(quote_ident(r.rolname), 'PUBLIC') FROM pg_class c CROSS JOIN LATERAL (
  SELECT x.* FROM aclexplode(c.relacl) x
  UNION ALL SELECT x.* FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
  WHERE a.attrelid = c.oid AND NOT a.attisdropped) g LEFT JOIN pg_roles r ON r.oid = g.grantee
WHERE c.oid = $1::oid AND g.grantee <> c.relowner
  AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  AND EXISTS (SELECT FROM pg_default_acl d
    WHERE d.defaclrole = quote_ident(CURRENT_USER)::regrole AND d.defaclobjtype = 'f'
    AND d.defaclnamespace = 0
    AND NOT EXISTS (SELECT FROM aclexplode(d.defaclacl) x WHERE x.grantee = 0))
ORDER BY 1)sql";

/// The function of signature $1 as it is now: a row for each parameter. It is pgfanout's if its
/// comment ends as $2, perhaps from an earlier job.
constexpr const char* kFunctionSql = R"sql(
SELECT pg_get_functiondef(p.oid), COALESCE(right(obj_description(p.oid, 'pg_proc'),
    length($2::text)) = $2::text, false), COALESCE(pg_get_function_sqlbody(p.oid), p.prosrc), a.name,
  obj_description(p.oid, 'pg_proc')
FROM pg_proc p LEFT JOIN LATERAL unnest(p.proargnames) WITH ORDINALITY a(name, place) ON true
WHERE p.oid = to_regprocedure($1)::oid ORDER BY a.place)sql";

/// The function that computes the key for the application's statements, in every key mode.
struct KeyFunction {
  std::string table;                    ///< Qualified, quoted: as the application will know it.
  std::string name;                     ///< Unquoted, in the target's schema.
  std::string signature;                ///< Quoted, with types.
  std::vector<std::string> parameters;  ///< "collection_id uuid".
  std::vector<std::string> types;
  std::vector<std::string> inputs;  ///< Quoted.
};

KeyFunction key_function_of(const CarryDraft& draft) {
  const CarryRequest& request = draft.request;
  // Else there is no swap that renames the target.
  const bool is_renamed = request.same_database && request.source.schema == request.target_schema;
  KeyFunction function;
  function.table = is_renamed ? request.source.qualified : request.target_qualified;
  // A column with a very long name does not give the function its own.
  constexpr std::size_t kLongest = 40;
  const std::string column = request.key_column.value_or("partition_key");
  function.name = suffixed_name(is_renamed ? request.source.name : request.target_name,
                                column.size() <= kLongest ? "_" + column : "_partition_key");
  for (const std::string& input : draft.columns.key_inputs()) {
    const Column* of = draft.columns.target(input);
    if (of == nullptr) continue;
    function.parameters.push_back(fmt::format("{} {}", quoted_name(input), of->type_sql));
    function.types.push_back(of->type_sql);
    function.inputs.push_back(of->quoted);
  }
  function.signature =
      fmt::format("{}({})", draft.in_target_schema(function.name), fmt::join(function.types, ", "));
  return function;
}

/// Whether a body computes what the job's key does. Its parameters are columns of the target.
bool computes_key(const CarryDraft& draft, std::string_view body) {
  for (const std::string_view word : {"SELECT ", "RETURN "}) {
    if (body.starts_with(word)) body.remove_prefix(word.size());
  }
  Table target = draft.request.source;
  target.columns = draft.columns.targets();
  const auto columns = key_columns_of(target);
  const auto wanted = KeyExpression::compile(draft.request.key_sql_on_target, columns);
  const auto found = KeyExpression::compile(body, columns);
  return wanted && found && found->computes_same_as(*wanted);
}

}  // namespace

Result<void> carry_behaviour(CarryDraft& draft) {
  PGFANOUT_TRY(carry_triggers(draft));
  PGFANOUT_TRY(carry_rules(draft));
  PGFANOUT_TRY(carry_policies(draft));
  PGFANOUT_TRY(note_silenced_keys(draft));
  return carry_row_security(draft);
}

Result<void> carry_referrers(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      draft.read(fmt::format(kReferrersSql, kTableTree, row_type_tables())));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string kind = rows.str(row, 0);
    const std::string name = kind == "function" ? rows.str(row, 1)
                                                : fmt::format("{}.{}", rows.text(row, 4),
                                                              display_name(rows.text(row, 1)));
    std::string obstacle = draft.missing_columns(rows.text(row, 3));
    if (obstacle.empty()) obstacle = renamed_columns(draft, rows.text(row, 3));
    if (rows.boolean(row, 5)) obstacle = "it names a partition of the table";
    if (!draft.request.same_database) obstacle = "the target is in another database";
    if (!obstacle.empty()) {
      draft.leave_behind(kind, name, obstacle,
                         "rewrite it for the new table after the swap, and accept by this name "
                         "that it uses the old one until then");
      continue;
    }
    draft.plan.moves.push_back(
        {fmt::format("{} {}", kind, name), {rows.str(row, 2)}, {}, {}, {rows.str(row, 2)}});
  }
  return {};
}

Result<void> carry_key_function(CarryDraft& draft) {
  if (!draft.is_by_key()) return {};
  const CarryRequest& request = draft.request;
  const KeyFunction function = key_function_of(draft);
  const std::string& signature = function.signature;
  const std::string shown_name = shown(request.target_schema, function.name);
  const std::string purpose = fmt::format(" of {} {}", function.table, kKeyFunctionPurpose);
  PGFANOUT_TRY_ASSIGN(const Rows before, draft.target.query(kFunctionSql, {signature, purpose}));
  const bool is_there = before.size() > 0;
  if (is_there && !before.boolean(0, 1)) {
    draft.note(Severity::warning, "function-exists",
               fmt::format("function {} exists, and pgfanout did not create it: it stays as it is",
                           signature),
               "check that it computes the new key, or rename it before the window");
    return {};
  }
  draft.plan.key_function = fmt::format("{}({})", shown_name, fmt::join(function.inputs, ", "));
  const std::string comment = fmt::format(
      "Computes {}{}", request.key_column ? display_name(*request.key_column) : "the key", purpose);
  const auto comment_sql = [&](std::string_view text) {
    return fmt::format("COMMENT ON FUNCTION {} IS {}", signature, draft.quoted(text));
  };
  // RETURN is bound to the server's own functions and operators whatever the caller's search_path.
  // The server inlines the body, so that a condition on the call selects a leaf: hence no SET, no
  // STRICT.
  std::vector<std::string> make = {
      fmt::format("CREATE OR REPLACE FUNCTION {}({}) RETURNS {} LANGUAGE sql IMMUTABLE PARALLEL "
                  "SAFE RETURN {}",
                  draft.in_target_schema(function.name), fmt::join(function.parameters, ", "),
                  key_type_sql(request.key.result_type()), request.key_sql_on_target),
      comment_sql(comment)};
  PGFANOUT_TRY_ASSIGN(const bool has_owner, draft.has_role(request.source.owner));
  const std::string own = has_owner ? fmt::format("ALTER FUNCTION {} OWNER TO {}", signature,
                                                  quoted_name(request.source.owner))
                                    : std::string();
  if (has_owner) make.push_back(own);
  // The application uses the function of an earlier job: one that computes the same stays, but for
  // its comment.
  const bool is_same = is_there && computes_key(draft, before.text(0, 2));
  const bool stays = is_same && before.text(0, 4) != comment;
  if (stays) {
    make.clear();
    CarriedMove move;
    move.what = fmt::format("function {}", signature);
    move.forward = {comment_sql(comment)};
    move.backward = {comment_sql(before.text(0, 4))};
    draft.plan.moves.push_back(std::move(move));
  }
  PGFANOUT_TRY_ASSIGN(const Rows users, draft.read(kKeyUsersSql));
  if (users.size() > 0 && request.same_database) {
    const std::string roles = fmt::format("{}", fmt::join(users.column(0), ", "));
    make.push_back(fmt::format("GRANT EXECUTE ON FUNCTION {} TO {}", signature, roles));
    draft.plan.key_grants.push_back(fmt::format("EXECUTE on function {}({}) to {}", shown_name,
                                                fmt::join(function.types, ", "), roles));
  }
  const std::string drop = "DROP FUNCTION IF EXISTS " + signature;
  // Objects of the application that use it keep it, and must not stop a rollback.
  const std::string undo =
      "DO " + dollar_quoted(fmt::format(
                  "BEGIN {}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END", drop));
  if (make.empty()) return {};
  if (!is_there || is_same) {
    draft.plan.attributes.push_back({fmt::format("function {}", signature),
                                     fmt::format("{}", fmt::join(make, ";\n")),
                                     {},
                                     0,
                                     is_there ? std::string() : undo});
    return {};
  }
  draft.plan.key_function_changes = true;
  CarriedMove move;
  move.what = fmt::format("function {}", signature);
  move.forward = std::move(make);
  move.backward = {before.str(0, 0), comment_sql(before.text(0, 4))};
  // Names of parameters cannot be replaced.
  if (before.column(3) != draft.columns.key_inputs()) {
    move.forward.insert(move.forward.begin(), drop);
    move.backward.insert(move.backward.begin(), drop);
    if (has_owner) move.backward.push_back(own);
  }
  draft.plan.moves.push_back(std::move(move));
  return {};
}

}  // namespace pgfanout
