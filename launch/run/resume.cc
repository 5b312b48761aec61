// SPDX-License-Identifier: Apache-2.0
#include "launch/run/resume.h"

#include <google/protobuf/util/message_differencer.h>

#include "kernels/base/error.h"
#include "launch/config/run_config.pb.h"

namespace cadmus {
namespace {

// What decides the numbers of a run.
RunConfig Essence(const RunConfig& config) {
  RunConfig essence;
  *essence.mutable_model() = config.model();
  *essence.mutable_precision() = config.precision();
  *essence.mutable_optimizer() = config.optimizer();
  essence.mutable_data()->set_sequence_length(config.data().sequence_length());
  essence.mutable_data()->set_mask_across_documents(config.data().mask_across_documents());
  // Data sets may have moved, their shares may not have changed.
  for (const DataSource& source : config.data().source()) {
    essence.mutable_data()->add_source()->set_weight(source.weight());
  }
  essence.mutable_data()->set_validation_fraction(config.data().validation_fraction());
  essence.mutable_train()->set_global_batch_size(config.train().global_batch_size());
  essence.mutable_train()->set_seed(config.train().seed());
  return essence;
}

}  // namespace

void RequireSameRun(const RunConfig& stored, const RunConfig& asked) {
  google::protobuf::util::MessageDifferencer differencer;
  // A default that is spelled out equals one that is not.
  differencer.set_message_field_comparison(google::protobuf::util::MessageDifferencer::EQUIVALENT);
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  if (differencer.Compare(Essence(stored), Essence(asked))) return;
  throw Error(Kind::kConfig,
              StrCat("the run ", asked.name(), " exists and was started with another config:\n",
                     differences, "give this one another name, or restore these fields"));
}

}  // namespace cadmus
