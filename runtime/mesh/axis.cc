// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/axis.h"

#include "kernels/base/error.h"

namespace cadmus {

std::string_view AxisName(Axis axis) {
  switch (axis) {
    case Axis::kPp:
      return "pp";
    case Axis::kDpReplicate:
      return "dp_replicate";
    case Axis::kDpShard:
      return "dp_shard";
    case Axis::kCpRing:
      return "cp_ring";
    case Axis::kCpUlysses:
      return "cp_ulysses";
    case Axis::kTp:
      return "tp";
    case Axis::kEdpReplicate:
      return "edp_replicate";
    case Axis::kEdpShard:
      return "edp_shard";
    case Axis::kEp:
      return "ep";
    case Axis::kEtp:
      return "etp";
  }
  CADMUS_UNREACHABLE(StrCat("axis ", static_cast<int>(axis)));
}

std::string GroupName(AxisSet axes) {
  if (axes.empty()) return "self";
  if (axes == kDpAxes) return "dp";
  if (axes == kCpAxes) return "cp";
  if (axes == kLossAxes) return "loss";
  if (axes == kZeroAxes) return "zero";
  if (axes == kEdpAxes) return "edp";
  if (axes == kDenseAxes || axes == kExpertAxes) return "world";
  std::string name;
  for (Axis axis : AllAxes()) {
    if (axes.Contains(axis)) name += StrCat(name.empty() ? "" : "+", AxisName(axis));
  }
  return name;
}

}  // namespace cadmus
