// The consequence of a server's error for the job. Needs no server.
#include "copier/pg/server_error.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(ServerErrorTest, WhichStatesInterruptAndWhichRefuse) {
  struct Case {
    const char* sqlstate;
    Consequence expected;
  };
  constexpr auto kInterrupts = Consequence::interrupt;
  constexpr auto kRefuses = Consequence::refuse;
  for (const Case& each :
       {Case{"", kInterrupts}, Case{"08006", kInterrupts}, Case{"40P01", kInterrupts},
        Case{"53100", kInterrupts}, Case{"55P03", kInterrupts}, Case{"57014", kInterrupts},
        Case{"58030", kInterrupts}, Case{"XX000", kInterrupts}, Case{"22012", kRefuses},
        Case{"23505", kRefuses}, Case{"42501", kRefuses}, Case{"42P01", kRefuses}}) {
    EXPECT_EQ(consequence_of(each.sqlstate), each.expected) << each.sqlstate;
  }
}

TEST(ServerErrorTest, WhichErrorsPassByThemselves) {
  struct Case {
    const char* code;
    const char* sqlstate;
    bool expected;
  };
  for (const Case& each : {
           Case{"connection-lost", "", true},
           Case{"connection-lost", "57P01", true},
           Case{"connection-lost", "53200", true},   // It ended the session.
           Case{"connection-lost", "57P04", false},  // The database was dropped.
           Case{"stalled", "", true},
           Case{"cannot-connect", "", true},
           Case{"cancelled", "", false},
           Case{"snapshot-lost", "", false},
           Case{"server-error", "", false},
           Case{"server-error", "08006", true},
           Case{"server-error", "08P01", true},
           Case{"server-error", "57P01", true},
           Case{"server-error", "57P02", true},
           Case{"server-error", "57P03", true},
           Case{"server-error", "57P04", false},
           Case{"server-error", "57P05", true},
           Case{"server-error", "57014", false},  // Somebody cancelled it.
           Case{"server-error", "40001", true},
           Case{"server-error", "40P01", true},
           Case{"server-error", "55P03", true},
           Case{"server-error", "55000", false},
           Case{"server-error", "53100", false},  // The disk is full.
           Case{"server-error", "53200", false},
           Case{"server-error", "53300", true},
           Case{"server-error", "58030", false},
           Case{"server-error", "XX000", false},
       }) {
    Error error = interrupted(each.code, "");
    error.sqlstate = each.sqlstate;
    EXPECT_EQ(is_transient(error), each.expected) << each.code << " " << each.sqlstate;
    error.consequence = Consequence::refuse;
    EXPECT_FALSE(is_transient(error)) << each.code << " " << each.sqlstate;
  }
}

}  // namespace
}  // namespace pgfanout
