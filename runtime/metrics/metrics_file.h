// SPDX-License-Identifier: Apache-2.0
// MetricsFile: one JSON object per step, a line each, for programs:
//
//   {"step":120,"loss":3.2145,"gnorm":0.91,"lr":0.0003,"tokens":65536,"tok_s":412000.0,
//    "seconds":0.159,"mfu":0.431,"mem_bytes":76450000000,"context_bytes":724000000}
//
// and one per evaluation (evaluation_metrics.h), behind that of its step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "kernels/base/file.h"
#include "runtime/metrics/evaluation_metrics.h"
#include "runtime/metrics/step_metrics.h"

namespace cadmus {

class MetricsFile {
 public:
  // Opens `path` to append, making it if needed. Lines after `resume_after_step` and a torn last
  // line are dropped first: the run will write them again. 0 starts anew. Throws kData.
  MetricsFile(std::filesystem::path path, int64_t resume_after_step);

  // Appends one line in a single write. Throws kData naming the path.
  void Append(const StepMetrics& metrics);
  void Append(int64_t step, const EvaluationMetrics& metrics, double seconds);

  // Whether the lines kept at the start hold the evaluation after `resume_after_step`.
  bool has_evaluation() const { return has_evaluation_; }

 private:
  void AppendLine(const std::string& line);

  std::filesystem::path path_;
  FileDescriptor file_;
  bool has_evaluation_ = false;
};

// The line without its end. Numbers are printed shortest so that they read back to the same bits:
// equal bits give equal text. "mfu" is left out where no peak is stated,
// "context_bytes" where there is no GPU (it counts slabs of other ranks on the same GPU); what is
// not finite is null.
std::string MetricsLine(const StepMetrics& metrics);

}  // namespace cadmus
