// When a silent server is looked at, and what a look means. Needs no server.
#include <gtest/gtest.h>

#include "copier/pg/stall_watch.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(StallRulesTest, WhenALookIsDue) {
  struct Case {
    seconds stall_timeout;
    bool knows_backend;
    milliseconds silence;
    bool expected;
  };
  for (const Case& each : {
           Case{seconds(60), true, milliseconds(59'999), false},
           Case{seconds(60), true, milliseconds(60'000), true},
           Case{seconds(0), true, std::chrono::hours(24), false},  // For ever.
           Case{seconds(0), false, std::chrono::hours(24), false},
           Case{seconds(1), true, milliseconds(1'000), true},
           Case{seconds(1), false, milliseconds(9'999), false},  // It is being set up.
           Case{seconds(1), false, milliseconds(10'000), true},
           Case{seconds(60), false, milliseconds(10'000), false},
       }) {
    ConnectOptions options;
    options.connect_timeout = seconds(10);
    options.stall_timeout = each.stall_timeout;
    EXPECT_EQ(is_query_due(options, each.knows_backend, each.silence), each.expected)
        << each.stall_timeout.count() << " s, silent for " << each.silence.count() << " ms";
  }
}

TEST(StallRulesTest, WhatABackendIsDoing) {
  struct Case {
    const char* state;
    const char* wait_event_type;
    StallFinding expected;
  };
  for (const Case& each : {
           Case{"active", "", StallFinding::works},
           Case{"active", "IO", StallFinding::works},
           Case{"active", "Lock", StallFinding::works},
           Case{"active", "Timeout", StallFinding::works},
           Case{"", "", StallFinding::works},                     // The role may not see it.
           Case{"active", "Client", StallFinding::waits_for_us},  // It reads from us, or writes.
           Case{"idle", "Client", StallFinding::waits_for_us},
           Case{"idle", "", StallFinding::waits_for_us},
           Case{"idle in transaction", "", StallFinding::waits_for_us},
           Case{"idle in transaction (aborted)", "", StallFinding::waits_for_us},
       }) {
    EXPECT_EQ(finding_of(each.state, each.wait_event_type), each.expected)
        << each.state << " " << each.wait_event_type;
  }
}

TEST(StallRulesTest, WhatASilenceMeans) {
  struct Case {
    StallFinding finding;
    StallVerdict expected;
  };
  for (const Case& each : {
           Case{StallFinding::works, StallVerdict::patience},
           Case{StallFinding::cannot_tell, StallVerdict::patience},
           Case{StallFinding::gone, StallVerdict::lost},
           Case{StallFinding::waits_for_us, StallVerdict::stalled},
           Case{StallFinding::unreachable, StallVerdict::stalled},
       }) {
    EXPECT_EQ(judge_silence(each.finding, false), each.expected);
    EXPECT_EQ(judge_silence(each.finding, true), StallVerdict::patience);
  }
}

}  // namespace
}  // namespace pgfanout
