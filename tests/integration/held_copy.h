// A table whose copy waits at its first row until the test lets it go on.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/session.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout::testing {

class HeldCopyFixture : public WindowFixture {
 protected:
  /// public.chunks, and a mapping that waits for a lock which this test holds; in readers alone, so
  /// that the preflight is not held up.
  void hold_copy(int rows) {
    make_chunks(rows);
    hold();
  }
  /// The same for a table that is there; only of rows for which this holds, of the column as $1.
  void hold(const std::string& condition = "true") {
    map_by("IF " + condition +
           " THEN PERFORM pg_advisory_lock_shared(42); PERFORM pg_advisory_unlock_shared(42);"
           " END IF;");
    holder_ = std::make_unique<harness::Session>(dsn());
    holder_->execute("SELECT pg_advisory_lock(42)");
  }
  /// The mapping, which does this for each row that a reader reads.
  void map_by(const std::string& statements) const {
    execute(
        "CREATE FUNCTION hold(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN"
        " IF current_setting('application_name') LIKE '%/reader' THEN " +
        statements + " END IF; RETURN $1; END $$");
  }
  void let_go() { holder_.reset(); }
  void wait_until_held() const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < until) {
      if (value("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'advisory' AND"
                " application_name LIKE 'pgfanout/%/reader'") == "t") {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    FAIL() << "the copy does not wait";
  }
  [[nodiscard]] std::vector<std::string> words(const std::string& command,
                                               std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {command, "--source", dsn(), "--table", "chunks"};
    if (command != "status") all.insert(all.end(), {"--map", "content=public.hold(content)"});
    all.insert(all.end(), more.begin(), more.end());
    return harness::pgfanout_argv(all);
  }

 private:
  std::unique_ptr<harness::Session> holder_;
};

}  // namespace pgfanout::testing
