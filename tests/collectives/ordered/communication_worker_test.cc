// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/communication_worker.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <thread>
#include <utility>
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

constexpr auto kPost = CommunicationWorker::Place::Kind::kPost;

// Ends the posts that have been started, in the background.
class Ending final : public CommunicationWorker::Background {
 public:
  explicit Ending(CommunicationWorker& worker) : worker_(worker) { worker_.SetBackground(this); }
  ~Ending() { worker_.SetBackground(nullptr); }
  void Add(CommunicationWorker::Task& post) { started_.push_back(&post); }

  bool IsBusy() const override { return !started_.empty(); }
  void Progress() noexcept override {
    worker_.End(*std::exchange(started_.back(), nullptr), nullptr);
    started_.pop_back();
  }
  void Wake() noexcept override {}

 private:
  CommunicationWorker& worker_;
  std::vector<CommunicationWorker::Task*> started_;
};

class Post final : public CommunicationWorker::Task {
 public:
  Post(std::string text, std::vector<std::string>& log, Ending& ending)
      : text_(std::move(text)), log_(log), ending_(ending) {}

 private:
  void Run() override {
    log_.push_back(text_);
    ending_.Add(*this);
  }
  void Skip() noexcept override { log_.push_back(text_ + " skipped"); }

  std::string text_;
  std::vector<std::string>& log_;
  Ending& ending_;
};

TEST(CommunicationWorker, CallsPassPostsThatHaveNotBeenReached) {
  std::vector<std::string> log;
  CommunicationWorker worker("rank 3");
  Ending ending(worker);
  Post post("post", log, ending);
  Note call("call", log);
  worker.Queue(post, {.kind = kPost});
  worker.Queue(call);
  worker.Start(call);
  worker.Wait(call);
  worker.Start(post);
  worker.Wait(post);
  EXPECT_EQ(log, (std::vector<std::string>{"call", "post"}));
}

TEST(CommunicationWorker, PostsStayBehindEarlierCallsAndEarlierPostsOfTheirLane) {
  std::vector<std::string> log;
  CommunicationWorker worker("rank 3");
  Ending ending(worker);
  const int group = 0;
  Note call("call", log), grouped("grouped", log);
  Post first("first", log, ending), second("second", log, ending), other("other", log, ending);
  worker.Queue(call);
  worker.Queue(first, {.kind = kPost, .group = &group, .peer = 1});
  worker.Queue(second, {.kind = kPost, .group = &group, .peer = 1});
  worker.Queue(other, {.kind = kPost, .group = &group, .peer = 2});
  worker.Queue(grouped, {.group = &group});
  worker.Start(grouped);
  worker.Start(second);
  worker.Start(other);
  worker.Start(call);
  worker.Wait(other);
  worker.Start(first);
  for (CommunicationWorker::Task* task :
       std::initializer_list<CommunicationWorker::Task*>{&call, &first, &second, &grouped}) {
    worker.Wait(*task);
  }
  EXPECT_EQ(log, (std::vector<std::string>{"call", "other", "first", "second", "grouped"}));
}

TEST(CommunicationWorker, APostReachedDuringALaterCallIsStartedThere) {
  std::vector<std::string> log;
  CommunicationWorker worker("rank 3");
  Ending ending(worker);
  Post before("before", log, ending), abandoned("abandoned", log, ending),
      behind("behind", log, ending);
  worker.Queue(before, {.kind = kPost});
  worker.Queue(abandoned, {.kind = kPost});
  worker.Run([&] {
    worker.Queue(behind, {.kind = kPost});
    worker.Start(behind);
    worker.Start(before);
    worker.Abandon(abandoned);
    worker.StartPosts();
    log.push_back("end of call");
  });
  worker.Wait(before);
  worker.Wait(behind);
  EXPECT_EQ(log,
            (std::vector<std::string>{"before", "abandoned skipped", "end of call", "behind"}));
}

}  // namespace
}  // namespace cadmus
