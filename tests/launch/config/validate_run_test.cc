// SPDX-License-Identifier: Apache-2.0
// What is wrong with a schedule file, with how the learning rate comes down, or with when a run is
// evaluated is said before it starts.
#include "launch/config/validate_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <fstream>

#include "launch/config/run_config.pb.h"
#include "runtime/schedule/schedule_file.h"
#include "runtime/schedule/schedules.h"
#include "tests/launch/config/config_error.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ScheduleFileOfARun : public testing::Test {
 protected:
  // 4 blocks, pp 2, 6 micro-batches.
  RunConfig RunWith(const std::string& schedule) const {
    const std::string path = folder_.path() / "mine.textproto";
    std::ofstream(path) << schedule;
    RunConfig config;
    config.set_name("mine");
    LlamaConfig& llama = *config.mutable_model()->mutable_llama();
    llama.set_vocab_size(131);
    llama.set_hidden_size(24);
    llama.set_intermediate_size(24);
    llama.set_num_hidden_layers(4);
    llama.set_num_attention_heads(2);
    llama.set_max_position_embeddings(16);
    config.mutable_data()->set_path("unused");
    config.mutable_data()->set_sequence_length(16);
    config.mutable_train()->set_steps(3);
    config.mutable_train()->set_global_batch_size(6);
    config.mutable_parallel()->set_pp(2);
    config.mutable_parallel()->set_schedule(ParallelConfig::FROM_FILE);
    config.mutable_parallel()->set_schedule_file(path);
    return config;
  }
  static std::string Written(const ScheduleSize& size) {
    return ScheduleToText(MakeSchedule(ScheduleKind::kInterleaved, size));
  }
  std::string ErrorOf(const std::string& schedule) const {
    return ConfigErrorOf([&] { ValidateRun(RunWith(schedule), 2); });
  }

  TemporaryFolder folder_;
};

TEST_F(ScheduleFileOfARun, ThatFitsIsAccepted) {
  EXPECT_NO_THROW(ValidateRun(RunWith(Written({2, 2, 6})), 2));
}

TEST_F(ScheduleFileOfARun, OfAnotherSizeIsRefused) {
  EXPECT_THAT(ErrorOf(Written({3, 1, 6})), AllOf(HasSubstr("3 ranks"), HasSubstr("pp 2")));
  EXPECT_THAT(ErrorOf(Written({2, 1, 4})),
              AllOf(HasSubstr("4 micro-batches"), HasSubstr("6 micro-batches")));
}

TEST_F(ScheduleFileOfARun, WithMoreStagesThanBlocksIsRefused) {
  EXPECT_THAT(ErrorOf(Written({2, 4, 6})),
              AllOf(HasSubstr("mine.textproto"), HasSubstr("8 stages"), HasSubstr("4 blocks")));
}

TEST_F(ScheduleFileOfARun, ThatIsNoTrainingStepIsRefused) {
  EXPECT_THAT(ErrorOf("micro_batches: 6 rank { actions: \"F0\" } rank { actions: \"F0\" }"),
              AllOf(HasSubstr("mine.textproto"), HasSubstr("--verify-schedule")));
}

TEST_F(ScheduleFileOfARun, ThatIsNoScheduleIsRefusedByLine) {
  EXPECT_THAT(ErrorOf("micro_batches: 6\nrank { actions: \"X9\" }"), HasSubstr("mine.textproto:2"));
}

TEST_F(ScheduleFileOfARun, ThatIsMissingIsNamed) {
  RunConfig config = RunWith("");
  config.mutable_parallel()->set_schedule_file("/no/such/file");
  EXPECT_THAT(ConfigErrorOf([&] { ValidateRun(config, 2); }), HasSubstr("/no/such/file"));
}

class RunOfTenSteps : public ScheduleFileOfARun {
 protected:
  RunOfTenSteps() : config_(RunWith("")) {
    config_.clear_parallel();
    config_.mutable_train()->set_steps(10);
  }
  OptimizerConfig& optimizer() { return *config_.mutable_optimizer(); }
  std::string Error() const {
    return ConfigErrorOf([this] { ValidateRun(config_, 1); });
  }

  RunConfig config_;
};

TEST_F(RunOfTenSteps, IsRefusedNcclAmongProcessors) {
  config_.mutable_communication()->set_transport(CommunicationConfig::NCCL);
  EXPECT_THAT(Error(),
              AllOf(HasSubstr("communication.transport = AUTO"), HasSubstr("device.kind = CUDA")));
}

TEST_F(RunOfTenSteps, MayDecayAfterItsWarmUp) {
  optimizer().set_schedule(OptimizerConfig::WSD);
  optimizer().set_warmup_steps(4);
  optimizer().set_decay_steps(6);
  EXPECT_NO_THROW(ValidateRun(config_, 1));
  optimizer().set_decay_steps(7);
  EXPECT_THAT(Error(), AllOf(HasSubstr("decay_steps = 7"), HasSubstr("between 1 and"),
                             HasSubstr("warmup_steps = 6")));
  optimizer().set_decay_steps(0);
  EXPECT_THAT(Error(), AllOf(HasSubstr("WSD without"), HasSubstr("set it")));
}

TEST_F(RunOfTenSteps, IsRefusedWhatItsScheduleDoesNotRead) {
  optimizer().set_schedule(OptimizerConfig::LINEAR);
  optimizer().set_decay_steps(3);
  EXPECT_THAT(Error(), AllOf(HasSubstr("WSD only"), HasSubstr("not with LINEAR")));
  optimizer().clear_decay_steps();
  optimizer().set_schedule(OptimizerConfig::CONSTANT);
  EXPECT_NO_THROW(ValidateRun(config_, 1));
  optimizer().set_min_lr(1e-5);
  EXPECT_THAT(Error(), AllOf(HasSubstr("min_lr"), HasSubstr("CONSTANT")));
}

TEST_F(RunOfTenSteps, IsEvaluatedOnlyOnWhatIsHeldOut) {
  config_.mutable_train()->set_eval_interval_steps(5);
  EXPECT_THAT(Error(), AllOf(HasSubstr("nothing is held out"), HasSubstr("validation_fraction")));
  config_.mutable_data()->set_validation_path("held-out");
  EXPECT_NO_THROW(ValidateRun(config_, 1));
  config_.mutable_train()->set_eval_batches(-1);
  EXPECT_THAT(Error(), HasSubstr("must not be negative"));
}

}  // namespace
}  // namespace cadmus
