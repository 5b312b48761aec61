// SPDX-License-Identifier: Apache-2.0
#include "runtime/metrics/metrics_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/str_cat.h"
#include "runtime/metrics/json_number.h"

namespace cadmus {
namespace {

struct LineKind {
  int64_t step = 0;
  bool is_evaluation = false;
};

// Nothing for a line that is torn or none of ours.
std::optional<LineKind> KindOf(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto step = json.find("step");
  if (step == json.end() || !step->is_number_integer()) return std::nullopt;
  return LineKind{.step = step->get<int64_t>(), .is_evaluation = json.contains("eval_loss")};
}

struct KeptLines {
  std::string text;
  bool has_evaluation = false;  // of the last step
};

// The lines of `text` up to the first torn one, without those after `last_step`.
KeptLines KeepUntil(int64_t last_step, std::string_view text) {
  KeptLines kept;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const auto line = KindOf(text.substr(0, end));
    if (!line) break;
    if (line->step <= last_step) kept.text.append(text.substr(0, end + 1));
    kept.has_evaluation |= line->step == last_step && line->is_evaluation;
    text.remove_prefix(end + 1);
  }
  return kept;
}

[[noreturn]] void Fail(const std::filesystem::path& path, std::string_view what) {
  const int code = errno;
  throw Error(Kind::kData, StrCat("cannot ", what, " ", path.string(), ": ", std::strerror(code),
                                  "; check the free space and the permissions there"));
}

}  // namespace

std::string MetricsLine(const StepMetrics& m) {
  return StrCat("{\"step\":", m.step, ",\"loss\":", JsonNumber(m.loss),
                ",\"gnorm\":", JsonNumber(m.gradient_norm), ",\"lr\":", JsonNumber(m.learning_rate),
                ",\"tokens\":", m.tokens, ",\"tok_s\":", JsonNumber(m.tokens_per_second()),
                ",\"seconds\":", JsonNumber(m.seconds),
                m.mfu ? StrCat(",\"mfu\":", JsonNumber(*m.mfu)) : std::string(),
                ",\"mem_bytes\":", m.memory_bytes,
                m.context_bytes ? StrCat(",\"context_bytes\":", *m.context_bytes) : std::string(),
                "}");
}

MetricsFile::MetricsFile(std::filesystem::path path, int64_t resume_after_step)
    : path_(std::move(path)) {
  std::error_code code;  // what cannot be looked at is named when it is opened
  if (std::filesystem::exists(path_, code)) {
    const std::string text = ReadFile(path_, Kind::kData);
    const KeptLines kept = KeepUntil(resume_after_step, text);
    if (kept.text != text) ReplaceFile(path_, kept.text, Kind::kData);
    has_evaluation_ = kept.has_evaluation;
  }
  file_ = FileDescriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file_) Fail(path_, "open");
}

void MetricsFile::Append(const StepMetrics& metrics) { AppendLine(MetricsLine(metrics) + "\n"); }

void MetricsFile::Append(int64_t step, const EvaluationMetrics& metrics, double seconds) {
  AppendLine(EvaluationLine(step, metrics, seconds) + "\n");
}

void MetricsFile::AppendLine(const std::string& line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::write(file_.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Fail(path_, "write");
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace cadmus
