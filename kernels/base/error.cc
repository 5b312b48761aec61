// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/error.h"

namespace cadmus {
namespace {

thread_local std::string rank_label;

std::string Compose(Kind kind, std::string_view message, const std::source_location& where) {
  std::string_view file = where.file_name();
  // Paths from the repository root are enough for a reader. The folders that mirror the floors
  // first.
  for (std::string_view floor :
       {"tests/", "benchmarks/", "kernels/", "collectives/", "runtime/", "models/", "launch/"}) {
    if (auto at = file.rfind(floor);
        at != std::string_view::npos && (at == 0 || file[at - 1] == '/')) {
      file.remove_prefix(at);
      break;
    }
  }
  return StrCat(rank_label.empty() ? "" : rank_label, rank_label.empty() ? "" : ": ",
                KindName(kind), " error: ", message, " [", file, ":", where.line(), "]");
}

}  // namespace

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kInternal:
      return "internal";
    case Kind::kConfig:
      return "config";
    case Kind::kData:
      return "data";
    case Kind::kCheckpoint:
      return "checkpoint";
    case Kind::kNumerics:
      return "numerics";
    case Kind::kCommunication:
      return "communication";
    case Kind::kHardware:
      return "hardware";
    case Kind::kOutOfMemory:
      return "out of memory";
    case Kind::kPreempted:
      return "preempted";
  }
  return "unknown";
}

Error::Error(Kind kind, std::string_view message, std::source_location where)
    : std::runtime_error(Compose(kind, message, where)), kind_(kind), message_(message) {}

void SetRankLabel(std::string label) { rank_label = std::move(label); }
const std::string& RankLabel() { return rank_label; }

void ThrowCheckFailed(const char* condition, std::string_view message, std::source_location where) {
  throw Error(Kind::kInternal, StrCat("check failed: ", condition, ": ", message), where);
}

}  // namespace cadmus
