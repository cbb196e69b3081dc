// Workers that throw: the others are stopped, and the error says which it was. Needs no server.
#include "copier/session/worker_sessions.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>

#include "copier/base/pause.h"

namespace pgfanout {
namespace {

const auto kNothing = [](Connection&, WorkerTurn&) -> Result<void> { return {}; };

TEST(WorkerSessionsTest, AWorkerThatThrowsEndsTheOthers) {
  const Cancellation user;
  std::atomic<int> connecting{0};
  WorkerSettings settings;
  settings.workers = 3;
  settings.connect = [&](const Cancellation*) -> Result<Connection> {
    if (++connecting == 3) throw std::length_error("too long");
    pause_for(std::chrono::milliseconds(200));
    return refused("later", "it ended after the one that threw");
  };
  const auto done = run_on_workers(settings, user, kNothing);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "internal");
  EXPECT_EQ(done.error().message, "the worker failed within itself: too long");
  EXPECT_EQ(done.error().consequence, Consequence::interrupt);
}

TEST(WorkerSessionsTest, WhatIsDoneMeanwhileMayThrow) {
  const Cancellation user;
  std::atomic<bool> has_thrown{false};
  WorkerSettings settings;
  settings.workers = 2;
  settings.connect = [&](const Cancellation*) -> Result<Connection> {
    pause_for(std::chrono::seconds(30), [&] { return has_thrown.load(); });
    pause_for(std::chrono::milliseconds(50));
    return refused("later", "it ended after the one that threw");
  };
  const auto done = run_on_workers(settings, user, kNothing, [&] {
    has_thrown = true;
    throw std::bad_alloc();
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "the workers' progress ran out of memory");
}

TEST(WorkerSessionsTest, TheUsersStopIsSeenByTheWorkers) {
  Cancellation user;
  WorkerSettings settings;
  settings.workers = 2;
  settings.connect = [&](const Cancellation*) -> Result<Connection> {
    user.set();
    return refused("x", "y");
  };
  const auto done = run_on_workers(settings, user, kNothing);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "cancelled");
}

}  // namespace
}  // namespace pgfanout
