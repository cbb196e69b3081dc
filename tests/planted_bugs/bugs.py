"""The bugs that planted_bugs.py plants.

Each has the shortest piece of source text that makes it unique, what replaces that, and the tests
that must catch it, each a filter of gtest for one suite. Of several the cheapest comes first: the
others run only when it lets the bug pass.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Bug:
    name: str
    text: str
    instead: str
    caught_by: tuple


def bug(name, text, instead, *caught_by):
    return Bug(name, text, instead, caught_by)


HASHING = [
    bug("hash-whole-blocks-as-tail",
        "for (; left >= block_bytes; left -= block_bytes, at += block_bytes) {",
        "for (; left > block_bytes; left -= block_bytes, at += block_bytes) {",
        "PgHashTest.AgreesWithTheNaiveTwinForEveryLengthAndAlignment"),
    bug("abs-of-the-smallest-hash-wraps",
        "return one_integer<Integer>(work, checked_absolute<Integer>);",
        "return one_integer<Integer>(work, [](std::int64_t value, Integer& result) {"
        " result = static_cast<Integer>(value < 0 ? 0 - value : value); return KeyState::ok; });",
        "KeyExpressionTest.AbsOfTheSmallestHashIsAnError"),
    bug("null-key-is-zero",
        "if (field.length == -1) { state = KeyState::null;",
        "if (field.length == -1) { out.integers[row] = 0;",
        "KeyExpressionTest.StrictOperationsOfNullAreNull"),
    bug("digest-xors",
        "const std::uint64_t sum = low_ + row.low; high_ += row.high + (sum < low_ ? 1U : 0U);",
        "const std::uint64_t sum = low_ ^ row.low; high_ ^= row.high;",
        "MultisetDigestTest.CountsDuplicates"),
    bug("digest-loses-a-carry-when-merged",
        "high_ += other.high_ + (sum < low_ ? 1U : 0U); low_ = sum; rows_ += other.rows_;",
        "high_ += other.high_; low_ = sum; rows_ += other.rows_;",
        "MultisetDigestTest.*"),
    bug("digest-takes-null-for-empty",
        "batch.digests[row] = row_digest(fields.digested_bytes(batch, row));",
        "const ByteView view = fields.digested_bytes(batch, row);"
        " std::vector<std::uint8_t> bytes(view.begin(), view.end());"
        " for (std::size_t at = 0; at + 4 <= bytes.size(); ++at) {"
        " if (bytes[at] == 255 && bytes[at + 1] == 255 && bytes[at + 2] == 255 &&"
        " bytes[at + 3] == 255) { std::fill_n(bytes.data() + at, 4, std::uint8_t{0}); } }"
        " batch.digests[row] = row_digest({bytes.data(), bytes.size()});",
        "HashStage.*"),
    bug("sketch-merges-without-the-first-cell",
        "for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];",
        "for (std::size_t i = cell_sums_; i < sums_.size(); ++i) sums_[i] += other.sums_[i];",
        "DifferenceSketchTest.MergedSketchesOfThreadsAreOneSketch"),
    bug("sketch-takes-a-mixture-for-a-row",
        "return place.check == check && std::count(",
        "return std::count(",
        "DifferenceSketchTest.*"),
]

WIRE = [
    bug("decoder-takes-bytes-after-the-trailer",
        "if (left > kFieldCountBytes) return malformed(end, end, \"bytes follow the trailer\");",
        "",
        "DecoderRefuses.BytesAfterTheTrailer"),
    bug("decoder-ignores-the-field-count",
        "if (load_be16(data + row_start) != field_count_) return row_start;",
        "if (load_be16(data + row_start) == kTrailerCount) return row_start;",
        "DecoderRefuses.FieldCounts"),
    bug("stream-may-end-without-its-trailer",
        "if ((step.status == DecodeStatus::done) != batch.is_last) {",
        "if (step.status == DecodeStatus::done && !batch.is_last) {",
        "DecodeStage.MissingTrailerIsUnproven"),
    bug("rows-are-not-counted-against-messages",
        "if (batch.index.rows.size() != batch.expected_rows) {",
        "if (batch.index.rows.size() < batch.expected_rows) {",
        "DecodeStage.RowsMustBeAsManyAsMessages"),
    bug("negative-keys-are-written-as-zero",
        "store_be64(image, static_cast<std::uint64_t>(key));",
        "store_be64(image, static_cast<std::uint64_t>(key < 0 ? 0 : key));",
        "Encoder.ExtremeKeys"),
]

PG = [
    bug("commit-is-not-checked",
        "if (driver.channel->command_tag() != \"COMMIT\") {",
        "if (driver.channel->command_tag().empty()) {",
        "FanOutTest.CommitThatBecomesRollbackIsNoCommit"),
    bug("copy-out-ends-without-the-servers-ok",
        "if (PQresultStatus(result) == PGRES_COMMAND_OK) { drain(",
        "if (PQstatus(raw) == CONNECTION_OK) { drain(",
        "CopyOutTest.ErrorBehindRowsIsNotTheEnd"),
    bug("quotes-in-names-are-not-doubled",
        "PQescapeIdentifier(connection_, name.data(), name.size()), &PQfreemem);"
        " return quoted == nullptr ? std::string() : std::string(quoted.get());",
        "PQescapeIdentifier(connection_, name.data(), name.size()), &PQfreemem);"
        " return quoted == nullptr ? std::string() : '\"' + std::string(name) + '\"';",
        "ConnectionTest.QuotingSurvivesHostileNames"),
    bug("errors-show-the-row",
        "error.where = object_of(result);",
        "error.where = object_of(result) + field(result, PG_DIAG_MESSAGE_DETAIL);",
        "ConnectionTest.ServerErrorsKeepRowDataOut"),
    bug("server-may-take-fewer-rows",
        "if (copied == driver.rows_in_copy) return {};",
        "if (copied <= driver.rows_in_copy) return {};",
        "FanOutTest.ServerThatTakesAnotherNumberOfRowsIsNotBelieved"),
]

STAGES = [
    bug("router-takes-a-default-leaf",
        "if (leaf != LeafMap::kNoLeaf) return leaf; PGFANOUT_TRY(",
        "if (leaf < lanes_.size() + 1) return leaf; if (lanes_.size() > 0) return 0U; PGFANOUT_TRY(",
        "RouteStage.KeyWithoutLeafIsRefusedAndNeverSentToADefault"),
    bug("stored-key-is-not-compared",
        "if (stored == batch.keys[row]) return;",
        "if (!stored || *stored >= 0) return;",
        "RouteStage.*Stored*"),
    bug("lane-forgets-its-last-partial-batch",
        "const std::lock_guard lock(lanes_[lane]->mutex);"
        " if (!lanes_[lane]->open.bytes.empty()) seal(lane); } closed_",
        "const std::lock_guard lock(lanes_[lane]->mutex); } closed_",
        "FanOutTest.EveryRowIsCommittedOnceWithAConnectionForEachLeaf"),
    bug("range-ends-a-page-early",
        "condition += fmt::format(\" AND ctid < '({},0)'::pg_catalog.tid\", *range.end_block);",
        "condition += fmt::format(\" AND ctid < '({},0)'::pg_catalog.tid\", *range.end_block - 1);",
        "RangeConditionTest.NamesPagesByTheirFirstLine"),
    bug("last-range-of-a-leaf-is-bounded",
        "if (at + 1 == count) range.end_block.reset();",
        "",
        "CutRangesTest.*"),
    bug("memory-budget-leaks",
        "used_bytes_ -= bytes; tell_used();",
        "used_bytes_ -= bytes - bytes / 8; tell_used();",
        "MemoryBudget.ALeaseGivesItsBytesBackOnce"),
    bug("rows-read-again-are-written-again",
        "stream.replayed.merge(digest); return false;",
        "stream.replayed.merge(digest); return true;",
        "ReplayCheck.SameRowsAreDroppedInWhateverBatches"),
    bug("shorter-range-is-taken-when-read-again",
        "Result<void> RangeReader::finish_stream(Progress& progress) { if (progress.is_replaying())",
        "Result<void> RangeReader::finish_stream(Progress& progress) { if (progress.number > 99)",
        "RangeReader.ShorterRangeThanBeforeIsNoProof"),
    bug("row-in-a-wrong-leaf-is-not-counted",
        "if (!has_key || leaf_map.leaf_of(batch.keys[row]) != leaf) ++wrong_leaf;",
        "if (!has_key) ++wrong_leaf;",
        "ReadBackTest.RowInTheWrongLeafAndWrongKeyAreCounted"),
    bug("reject-limit-is-one-higher",
        "rows_.push_back(std::move(reject)); if (earlier_ + rows_.size() <= limit_) return {};",
        "rows_.push_back(std::move(reject)); if (earlier_ + rows_.size() <= limit_ + 1) return {};",
        "RouteStage.NullKeyEndsTheJobUnlessRowsMayBeSetAside"),
]

RECONCILE = [
    bug("unproven-is-told-as-match",
        "balance_.verdict = Verdict::unproven;",
        "balance_.verdict = Verdict::match;",
        "BalanceUnproven.UnfinishedWorkIsNeverAMatch"),
    bug("digests-of-a-leaf-are-not-compared",
        "if (!(added == written)) {",
        "if (added.rows() != written.rows()) {",
        "BalanceTest.PairOfSwappedRowsWithEqualCountsDiffers"),
    bug("missing-index-is-no-gap",
        "if (kind == \"index\") return missing_index(source);",
        "if (kind == \"index\") return info(\"\");",
        "SchemaComparisonTest.SeverityOfWhatIsMissing"),
    bug("index-that-is-not-valid-is-no-gap",
        "} else if (pair.source->is_valid && !pair.target->is_valid) {",
        "} else if (pair.target == pair.source) {",
        "SchemaComparisonTest.NotValid"),
]

RESUME = [
    bug("marker-is-not-in-the-rows-transaction",
        "[&](std::uint32_t leaf) { return statements_of(leaf, epoch); },"
        " [&](std::uint32_t leaf) { if (epoch < state.progress.last_epoch()) return;",
        "[&](std::uint32_t leaf) { auto all = statements_of(leaf, epoch);"
        " if (!all.empty()) all.pop_back(); return all; },"
        " [&](std::uint32_t leaf) { if (!done[leaf]) { static_cast<void>(state.target->run("
        "CopyJournal(*state.target, state.job_id).mark_leaf(leaf, progress_of(leaf, epoch)).sql)); }"
        " if (epoch < state.progress.last_epoch()) return;",
        "CrashPointsTest.CopyEndsAsIfNothingHadBeenFromEveryPlace"),
    bug("resume-repeats-an-epoch-of-committed-leaves",
        "done.push_back(leaf.epoch >= epoch);",
        "done.push_back(leaf.epoch > epoch);",
        "ResumeTest.WholeLeavesThatWereCommittedAreKept"),
    bug("marker-that-takes-no-effect-is-not-noticed",
        "if (expected.empty() || driver.channel->command_tag() == expected) return {};",
        "if (expected.empty() || !driver.channel->command_tag().empty()) return {};",
        "FanOutTest.MarkerThatTakesNoEffectCommitsNothing"),
    bug("repeated-epoch-may-read-other-rows",
        "if (!is_same) { Error error = refused(\"source-changed\",",
        "if (then.rows() > books.read.rows() + 1000000) { Error error = refused(\"source-changed\",",
        "ResumeTest.*"),
    bug("facts-that-are-new-are-not-compared",
        "if (gone.empty() && added.empty()) return \"\";",
        "if (gone.empty()) return \"\";",
        "FenceFacts.WhatIsGoneAndWhatIsNewIsSaid"),
    bug("source-changed-behind-its-fence-is-copied-on",
        "const std::string broken = broken_facts(then, now); if (broken.empty()) return {};"
        " return refused(\"source-changed\",",
        "const std::string broken = broken_facts(then, now);"
        " if (broken.empty() || stands) return {}; return refused(\"source-changed\",",
        "ResumeTest.WaysAroundTheFenceAreSeen"),
    bug("settings-that-are-new-are-no-other-request",
        "if (!before.contains(line)) differences.push_back(\"now: \" + line);",
        "",
        "WindowRequestTest.DifferencesAreNamed"),
    bug("epoch-is-journaled-with-those-before-it",
        "if (state_.progress.ranges[at].epoch == epoch) books.read.merge(ranges[at].read);",
        "if (state_.progress.ranges[at].epoch <= epoch) books.read.merge(ranges[at].read);",
        "ResumeTest.*"),
]

FENCE = [
    bug("fence-lets-truncate-pass",
        "fmt::format(\"CREATE TRIGGER {} BEFORE TRUNCATE ON {} FOR EACH STATEMENT\"",
        "fmt::format(\"CREATE TRIGGER {} BEFORE TRUNCATE ON {} FOR EACH STATEMENT WHEN (false)\"",
        "FenceTest.EveryStatementThatWritesIsRefused"),
    bug("fence-misses-a-leaf",
        "if (leaf.oid != table.oid) relations.push_back(leaf.qualified);",
        "if (leaf.oid != table.oid && &leaf != &table.leaves.back())"
        " relations.push_back(leaf.qualified);",
        "FenceTest.EveryStatementThatWritesIsRefused"),
    bug("fence-lets-delete-pass",
        "BEFORE INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW",
        "BEFORE INSERT OR UPDATE ON {} FOR EACH ROW",
        "FenceTest.EveryStatementThatWritesIsRefused"),
    bug("fence-lets-replication-pass",
        "\"ALTER TABLE {0} ENABLE ALWAYS TRIGGER {1}, ENABLE ALWAYS TRIGGER {2}\"",
        "\"ALTER TABLE {0} ENABLE TRIGGER {1}, ENABLE TRIGGER {2}\"",
        "FenceTest.*", "ResumeTest.ReplicationRoleDoesNotPassTheFence"),
    bug("fence-of-a-copy-is-never-lifted",
        "const bool is_over = exit_code <= 2 && state_.may_undo;",
        "const bool is_over = exit_code < 0 && state_.may_undo;",
        "CopyTest.PlainTableAsSource"),
    bug("rollback-forgets-the-fence",
        "PGFANOUT_TRY(state.fence(\"source\").lower(state.source(), state.patience(),"
        " cancellation));",
        "",
        "RollbackTest.AfterEveryStage"),
]

VERIFY = [
    bug("verifier-skips-a-leaf",
        "for (const Leaf& leaf : table.leaves) sizes.push_back({leaf.blocks, leaf.total_bytes});"
        " return cut_ranges_for(sizes, readers);",
        "for (const Leaf& leaf : table.leaves) sizes.push_back({leaf.blocks, leaf.total_bytes});"
        " if (sizes.size() > 1) sizes.pop_back(); return cut_ranges_for(sizes, readers);",
        "VerifyTest.CleanCopyIsEqualInEveryScopeThatReadsRows"),
    bug("one-side-need-not-be-read-to-its-end",
        "if (auto error = stop.error()) return *std::move(error);"
        " if (books.complete_ranges(Side::source) == source_ranges &&",
        "if (books.complete_ranges(Side::source) == source_ranges ||",
        "CompareSidesTest.SideThatBreaksOffIsAnError"),
    bug("misplaced-rows-are-not-counted",
        "misplaced_count_ += batch.misplaced.size();",
        "",
        "CompareSidesTest.WrongLeafAndWrongKeyAreMisplacedThoughTheContentIsRight"),
    bug("misplaced-rows-alone-are-a-match",
        "if (!books_->is_equal() || books_->misplaced_count() > 0) {",
        "if (!books_->is_equal()) {",
        "VerifyPlantedTest.SixteenHashLeavesAgainstAHundredListLeaves"),
    bug("repair-touches-rows-of-other-leaves",
        "return fmt::format(\"tableoid = {} AND ctid = '{}'::pg_catalog.tid\","
        " plan.target.leaves[address.leaf].oid, address.ctid);",
        "return fmt::format(\"ctid = '{}'::pg_catalog.tid\", address.ctid);",
        "VerifyTest.RepairTouchesTheNamedRowsAndNoOther"),
    bug("verification-that-was-stopped-proves-something",
        "if (error.consequence == Consequence::interrupt) error.consequence = Consequence::unproven;",
        "",
        "VerifyTest.RunThatIsStoppedProvesNothingAndSaysWhatIsMissing"),
]

WINDOW = [
    bug("gate-is-ignored",
        "observer_.gate_reached(stage, true); return false;",
        "observer_.gate_reached(stage, true); return true;",
        "WindowTest.GateWaitsForAPersonAndTheSameCommandGoesOn"),
    bug("stage-is-done-before-it-is",
        "\"INSERT INTO pgfanout.stage (job, name, status) VALUES ($1, $2, 'running')\"",
        "\"INSERT INTO pgfanout.stage (job, name, status) VALUES ($1, $2, 'ok')\"",
        "WindowTest.KilledCopyGoesOnWithItsEpoch"),
    bug("swap-leaves-the-targets-fence",
        "PGFANOUT_TRY(run_all(connection, lower)); PGFANOUT_TRY(run_all(connection, script.forward));",
        "PGFANOUT_TRY(run_all(connection, script.forward));",
        "WindowTest.RunWithSwapPutsTheTargetInTheSourcesPlace"),
    bug("swap-does-not-compare-the-sources-facts",
        "PGFANOUT_TRY(lock_all(connection, made.source, made.target, referenced));"
        " PGFANOUT_TRY(check_fence(state, \"source\", connection, made.source));",
        "PGFANOUT_TRY(lock_all(connection, made.source, made.target, referenced));",
        "WindowTest.SourceChangedBehindTheFenceIsNotSwapped"),
    bug("swap-does-not-compare-definitions",
        "PGFANOUT_TRY(check_carry(job, state)); PGFANOUT_TRY_ASSIGN(const auto holders,",
        "PGFANOUT_TRY_ASSIGN(const auto holders,",
        "SwapTest.DefinitionChangedWhileAGateWaitedIsNotSwappedAway"),
    bug("swap-forgets-a-view",
        "for (const CarriedView& view : carry.views) script.forward.push_back(view.create);",
        "",
        "SwapScript.NamesChangeHandsAndAllOfItIsTakenBackInReverse"),
    bug("swap-forgets-a-sequence",
        "{owned_by(\"\\001new\\001\", *sequence_.column->target)},",
        "{},",
        "CarryMovesTest.SequencesGoOnCounting"),
    bug("swap-forgets-where-a-counter-stands",
        "{copy_position(old, renamed)},",
        "{},",
        "CarryMovesTest.SequencesGoOnCounting"),
    bug("rollback-loses-new-rows-unasked",
        "if (job_.window.force) { report(",
        "if (!job_.window.keep_new_rows) { report(",
        "RollbackTest.WhatWasWrittenSinceTheSwapIsNotLostUnasked"),
    bug("cleanup-does-not-wait",
        "if (!over.boolean(0, 0) && !job_.window.force && entry.state != \"cleaning up\") {",
        "if (over.is_null(0, 0) && !job_.window.force && entry.state != \"cleaning up\") {",
        "WindowTicketsTest.WithoutMappingThenCleanupAndASecondJob"),
    bug("swap-comes-before-the-stages-are-done",
        "if (stage == \"swap\" || stages_.is_done(stage)) continue;",
        "if (stage == \"swap\" || stages_.is_done(\"copy\")) continue;",
        "WindowTest.SwapBeforeTheStagesAreDoneIsRefused"),
]

CARRY = [
    bug("index-loses-its-predicate",
        "return tail + tablespace(\"TABLESPACE\") + context_.on_target(index_.where);",
        "return tail + tablespace(\"TABLESPACE\");",
        "CarryPlanTest.EverythingIsThereAfterTheSwapAndBackAfterTheRollback"),
    bug("unique-index-is-not-unique",
        "return index_.is_unique ? \"CREATE UNIQUE INDEX\" : \"CREATE INDEX\";",
        "return index_.is_unique && index_.constraint != 0 ? \"CREATE UNIQUE INDEX\""
        " : \"CREATE INDEX\";",
        "CarryPlanTest.EverythingIsThereAfterTheSwapAndBackAfterTheRollback"),
    bug("comments-on-columns-are-lost",
        "for (const std::string& subject : subjects) { context.add_attribute(\"comment \"",
        "for (const std::string& subject : subjects) { if (subject.starts_with(\"COLUMN\")) continue;"
        " context.add_attribute(\"comment \"",
        "CarryPlanTest.EverythingIsThereAfterTheSwapAndBackAfterTheRollback"),
    bug("foreign-keys-of-leaves-are-not-validated",
        "if (!is_validated()) continue; steps.push_back(",
        "if (steps.size() < 1000000) continue; steps.push_back(",
        "CarryPlanTest.LeafObjectsAreAdoptedWithoutAnotherScan"),
    bug("grants-are-lost",
        "return sql.empty() ? sql : as_owner(std::move(sql));",
        "return sql.empty() ? as_owner(std::move(sql)) : std::string();",
        "CarryPlanTest.EverythingIsThereAfterTheSwapAndBackAfterTheRollback"),
    bug("triggers-lose-their-state",
        "if (enabling(state).empty()) return sql;",
        "if (enabling(state).size() < 100) return sql;",
        "CarryPlanTest.EverythingIsThereAfterTheSwapAndBackAfterTheRollback"),
]

PLAN = [
    bug("rows-without-a-leaf-are-not-noticed",
        "++estimate.without_leaf; continue;",
        "continue;",
        "SkewTest.RowsWithoutLeafAreCountedApart"),
    bug("null-keys-are-no-reason-against-a-window",
        "if (skew.without_leaf > 0) note_missing_keys(context, skew);",
        "if (skew.without_leaf > skew.rows) note_missing_keys(context, skew);",
        "PreflightServerTest.RowsWithoutAKeyAreFoundBefore"),
    bug("generated-column-is-written",
        "case Inputs::unchanged: planned.role = ColumnRole::compared; break;",
        "case Inputs::unchanged: break;",
        "CopyTest.GeneratedAndIdentityColumnsAreCarried"),
    bug("connection-budget-is-one-too-high",
        "if (wish.writers && room < least_writers + least_readers) {",
        "if (wish.writers && room + 1 < least_writers + least_readers) {",
        "ConnectionBudgetTest.*"),
    bug("keys-between-leaves-go-to-the-next-leaf",
        "if (at >= dense_.size()) dense_.resize(at + 1, kNoLeaf);",
        "if (at >= dense_.size()) dense_.resize(at + 1, leaf);",
        "LeafMapTest.FindsEveryKeyAndNothingElse"),
    bug("key-that-the-server-computes-otherwise-is-taken",
        "if (client[row] == server[row]) continue;",
        "if (client[row].state == server[row].state) continue;",
        "PlanKeyProofTest.DisagreementIsFound"),
    bug("arrays-keep-the-other-databases-oid",
        "if (there != element) patches_.push_back({field, element, there});",
        "if (there == 0) patches_.push_back({field, element, there});",
        "PlanTypesTest.ArraysOfLocalTypesArePatched"),
    bug("labels-of-enums-are-not-compared",
        "if (types_.at(type).kind == 'e') PGFANOUT_TRY(check_labels(column, type, there));",
        "",
        "PlanTypesTest.TypesThatTheTargetLacksAreNamed"),
]

WATCH = [
    bug("threshold-has-no-hysteresis",
        "if (is_crossed_ && back_ >= kLooksToEnd) is_crossed_ = false;",
        "if (is_crossed_ && beyond_ == 0) is_crossed_ = false;",
        "HysteresisTest.IsOverOnceItIsWellBackForAWhile"),
    bug("free-disk-is-measured-upside-down",
        "return rule.measure == Measure::disk_free ? value < rule.limit : value > rule.limit;",
        "return value > rule.limit;",
        "HysteresisTest.LocksAndDiskAtOnce"),
    bug("deadline-is-ignored",
        "if (!job_.watch.stop_at_deadline || is_in(stages, \"swap\")) return Stop::none;"
        " if (now.clock >= finish_by_) return Stop::at_once;",
        "if (!job_.watch.stop_at_deadline || is_in(stages, \"swap\")) return Stop::none;",
        "JobDeadlineTest.StopsAMomentBeforeAndNeverInTheSwap"),
    bug("full-speed-at-once-after-a-pause",
        "if (share_ <= 0) { share_ = kAfterPause;",
        "if (share_ <= 0) { share_ = 1;",
        "SpeedControlTest.AfterAPauseNotAtFullSpeedAtOnce"),
]

REPORT = [
    bug("differences-exit-with-4",
        "case Verdict::differs: return 1;",
        "case Verdict::differs: return 4;",
        "ExitCode.FollowsTheVerdictWithoutAnError"),
    bug("waiting-gate-exits-with-0",
        "if (!result.waiting_at.empty()) return 3;",
        "",
        "ExitCode.*", "Session.EveryOutcomeHasItsExitCode"),
    bug("password-in-a-connection-string-is-taken",
        "if ((keyword == \"password\" || keyword == \"sslpassword\") && at->val != nullptr) {",
        "if (keyword == \"sslpassword\" && at->val != nullptr) {",
        "Arguments.APasswordIsRefusedAndNeverRepeated"),
    bug("password-is-shown-in-the-report",
        "\"service\", \"host\", \"hostaddr\", \"port\", \"dbname\", \"user\"};",
        "\"service\", \"host\", \"hostaddr\", \"port\", \"dbname\", \"password\"};",
        "SettingsOf.OfAConnectionStringOnlyTheServer"),
    bug("json-has-missing-for-extra",
        "{\"extra\", differences.extra},",
        "{\"extra\", differences.missing},",
        "VerifyJson.HasDifferencesAndSchemaAsTheContractSays"),
    bug("quick-look-is-told-as-match",
        "const bool read_all = has_stage(result, \"data\");",
        "const bool read_all = !has_stage(result, \"schema\");",
        "VerifySummary.OnlyAllRowsAreAMatch"),
    bug("table-names-may-move-the-cursor",
        "const bool controls = code_point < 0x20U || (",
        "const bool controls = code_point < 0x1bU || (",
        "Printable.EscapesWhatMovesOrColoursTheTerminal"),
]

BUGS = [*HASHING, *WIRE, *PG, *STAGES, *RECONCILE, *RESUME, *FENCE, *VERIFY, *WINDOW, *CARRY, *PLAN,
        *WATCH, *REPORT]
