// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/communication_worker.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

class Note final : public CommunicationWorker::Task {
 public:
  Note(std::string text, std::vector<std::string>& log) : text_(std::move(text)), log_(log) {}

 private:
  void Run() override {
    log_.push_back(text_);
    if (text_ == "fails") throw Error(Kind::kCommunication, "as told");
  }
  void Skip() noexcept override { log_.push_back(text_ + " skipped"); }

  std::string text_;
  std::vector<std::string>& log_;  // written by the worker, read once all is waited for
};

TEST(CommunicationWorker, RunsTasksInTheOrderOfTheirQueueing) {
  std::vector<std::string> log;
  Note a("a", log), b("b", log), c("c", log);
  CommunicationWorker worker("rank 3");
  for (Note* task : {&a, &b, &c}) worker.Queue(*task);
  // Reached in another order.
  worker.Start(c);
  worker.Start(b);
  worker.Start(a);
  for (Note* task : {&c, &a, &b}) worker.Wait(*task);
  EXPECT_EQ(log, (std::vector<std::string>{"a", "b", "c"}));
}

TEST(CommunicationWorker, GoesOnBehindFailedAndAbandonedTasks) {
  std::vector<std::string> log;
  Note fails("fails", log), abandoned("abandoned", log), last("last", log);
  CommunicationWorker worker("rank 3");
  for (Note* task : {&fails, &abandoned, &last}) worker.Queue(*task);
  worker.Start(last);
  worker.Start(fails);
  EXPECT_THROW(worker.Wait(fails), Error);
  worker.Abandon(abandoned);
  worker.Wait(last);
  EXPECT_EQ(log, (std::vector<std::string>{"fails", "abandoned skipped", "last"}));
  // A task may be queued again.
  worker.Queue(last);
  worker.Start(last);
  worker.Wait(last);
  EXPECT_EQ(log.size(), 4u);
}

TEST(CommunicationWorker, RunsSetUpOnOneThreadWithItsLabel) {
  CommunicationWorker worker("rank 3");
  std::thread::id first, second;
  std::string label;
  worker.Run([&] { first = std::this_thread::get_id(); });
  worker.Run([&] {
    second = std::this_thread::get_id();
    label = RankLabel();
  });
  EXPECT_EQ(first, second);
  EXPECT_NE(first, std::this_thread::get_id());
  EXPECT_EQ(label, "rank 3");
}

}  // namespace
}  // namespace cadmus
