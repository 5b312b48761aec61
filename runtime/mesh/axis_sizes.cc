// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/axis_sizes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// A family of axes whose sizes multiply to the world, in the order in which the search for the
// nearest layout fixes them: what comes first is kept longest. The last axis can fill the world.
constexpr std::array kDenseFamily = {Axis::kTp,      Axis::kCpUlysses, Axis::kCpRing,
                                     Axis::kDpShard, Axis::kPp,        Axis::kDpReplicate};
constexpr std::array kExpertFamily = {Axis::kEtp, Axis::kEp, Axis::kEdpShard, Axis::kPp,
                                      Axis::kEdpReplicate};
constexpr AxisSet kFillAxes = {Axis::kDpReplicate, Axis::kEdpReplicate};

bool Fills(const AxisSizes& sizes, Axis axis) {
  return kFillAxes.Contains(axis) && sizes[axis] == 0;
}

// The product of all sizes but those that fill, at most the largest int64_t.
int64_t Product(const AxisSizes& sizes, std::span<const Axis> family) {
  int64_t product = 1;
  for (Axis axis : family) {
    if (Fills(sizes, axis)) continue;
    if (__builtin_mul_overflow(product, int64_t{sizes[axis]}, &product)) {
      return std::numeric_limits<int64_t>::max();
    }
  }
  return product;
}

bool Divides(const AxisSizes& sizes, std::span<const Axis> family, int world_size) {
  const int64_t product = Product(sizes, family);
  return Fills(sizes, family.back()) ? world_size % product == 0 : product == world_size;
}

// Depth-first search over the factorisations of the world, cheapest changes first.
class LayoutSearch {
 public:
  LayoutSearch(const AxisSizes& requested, std::span<const Axis> family, AxisSet fixed,
               int world_size)
      : requested_(requested), family_(family), fixed_(fixed), best_(requested) {
    for (int d = 1; d <= world_size; ++d) {
      if (world_size % d == 0) divisors_.push_back(d);
    }
    AxisSizes current = requested;
    Visit(0, world_size, {}, current);
  }

  const AxisSizes& best() const { return best_; }

 private:
  struct Cost {
    int num_changed = 0;
    double log_factor = 0;  // sum of |log(new / old)|

    bool Below(const Cost& other) const {
      if (num_changed != other.num_changed) return num_changed < other.num_changed;
      return log_factor < other.log_factor - 1e-9;  // equal factors in another order are a tie
    }
  };

  void Visit(size_t depth, int remaining, const Cost& cost, AxisSizes& current) {
    if (!cost.Below(best_cost_)) return;
    if (depth == family_.size()) {
      if (remaining == 1) {
        best_ = current;
        best_cost_ = cost;
      }
      return;
    }
    const Axis axis = family_[depth];
    const int wanted = requested_[axis];
    if (depth + 1 == family_.size()) {  // takes what is left
      Take(depth, remaining, remaining, cost, current);
      return;
    }
    if (wanted >= 1 && remaining % wanted == 0) Take(depth, wanted, remaining, cost, current);
    if (fixed_.Contains(axis)) return;
    for (int d : divisors_) {
      if (d != wanted && remaining % d == 0) Take(depth, d, remaining, cost, current);
    }
  }

  void Take(size_t depth, int size, int remaining, Cost cost, AxisSizes& current) {
    const Axis axis = family_[depth];
    const int wanted = requested_[axis];
    if (size != wanted && !Fills(requested_, axis)) {
      ++cost.num_changed;
      cost.log_factor += std::abs(std::log2(static_cast<double>(size) / std::max(wanted, 1)));
    }
    const int before = current[axis];
    current.Set(axis, size);
    Visit(depth + 1, remaining / size, cost, current);
    current.Set(axis, before);
  }

  const AxisSizes& requested_;
  std::span<const Axis> family_;
  AxisSet fixed_;
  std::vector<int> divisors_;
  AxisSizes best_;
  Cost best_cost_ = {.num_changed = kNumAxes + 1};
};

// The rule that a family of axes breaks; empty if its product is the world, or can be.
std::string FamilyProblem(const AxisSizes& requested, std::string_view family_name,
                          std::span<const Axis> family, int world_size) {
  if (Divides(requested, family, world_size)) return "";
  std::string factors;
  for (Axis axis : AllAxes()) {
    bool listed = false;
    for (Axis member : family) listed |= member == axis;
    if (!listed || Fills(requested, axis)) continue;
    factors += StrCat(factors.empty() ? "" : " · ", AxisName(axis), " ", requested[axis]);
  }
  return StrCat("the ", family_name, " axes ", factors, " = ", Product(requested, family),
                Fills(requested, family.back()) ? " must divide" : " must equal", " the world of ",
                world_size, " ranks");
}

}  // namespace

int AxisSizes::operator[](Axis axis) const {
  switch (axis) {
    case Axis::kPp:
      return pp;
    case Axis::kDpReplicate:
      return dp_replicate;
    case Axis::kDpShard:
      return dp_shard;
    case Axis::kCpRing:
      return cp_ring;
    case Axis::kCpUlysses:
      return cp_ulysses;
    case Axis::kTp:
      return tp;
    case Axis::kEdpReplicate:
      return edp_replicate;
    case Axis::kEdpShard:
      return edp_shard;
    case Axis::kEp:
      return ep;
    case Axis::kEtp:
      return etp;
  }
  CADMUS_UNREACHABLE(StrCat("axis ", static_cast<int>(axis)));
}

void AxisSizes::Set(Axis axis, int size) {
  switch (axis) {
    case Axis::kPp:
      pp = size;
      return;
    case Axis::kDpReplicate:
      dp_replicate = size;
      return;
    case Axis::kDpShard:
      dp_shard = size;
      return;
    case Axis::kCpRing:
      cp_ring = size;
      return;
    case Axis::kCpUlysses:
      cp_ulysses = size;
      return;
    case Axis::kTp:
      tp = size;
      return;
    case Axis::kEdpReplicate:
      edp_replicate = size;
      return;
    case Axis::kEdpShard:
      edp_shard = size;
      return;
    case Axis::kEp:
      ep = size;
      return;
    case Axis::kEtp:
      etp = size;
      return;
  }
  CADMUS_UNREACHABLE(StrCat("axis ", static_cast<int>(axis)));
}

std::string ToString(const AxisSizes& sizes) {
  const bool experts_split = sizes.edp_shard != 1 || sizes.ep != 1 || sizes.etp != 1;
  std::string out;
  for (Axis axis : AllAxes()) {
    if (!kDenseAxes.Contains(axis) && !experts_split) continue;
    out += StrCat(out.empty() ? "" : ", ", AxisName(axis), " ", sizes[axis]);
  }
  return out;
}

std::string AxisSizesProblem(const AxisSizes& requested, int world_size) {
  if (world_size < 1 || world_size > kMaxWorldSize) {
    return StrCat("a world of ", world_size, " ranks; it has at least 1 and at most ",
                  kMaxWorldSize);
  }
  for (Axis axis : AllAxes()) {
    if (requested[axis] >= 1 || Fills(requested, axis)) continue;
    return StrCat(AxisName(axis), " = ", requested[axis], "; an axis has at least 1 rank",
                  kFillAxes.Contains(axis) ? ", or 0 to fill the world" : "");
  }
  const std::string dense = FamilyProblem(requested, "dense", kDenseFamily, world_size);
  return dense.empty() ? FamilyProblem(requested, "expert", kExpertFamily, world_size) : dense;
}

AxisSizes FillWorld(const AxisSizes& requested, int world_size) {
  if (const std::string problem = AxisSizesProblem(requested, world_size); !problem.empty()) {
    const bool has_layouts = 1 <= world_size && world_size <= kMaxWorldSize;
    throw Error(Kind::kConfig, has_layouts ? StrCat(problem, "; nearest valid layout: ",
                                                    ToString(NearestLayout(requested, world_size)))
                                           : problem);
  }
  AxisSizes filled = requested;
  if (Fills(requested, Axis::kDpReplicate)) {
    filled.dp_replicate = static_cast<int>(world_size / Product(requested, kDenseFamily));
  }
  if (Fills(requested, Axis::kEdpReplicate)) {
    filled.edp_replicate = static_cast<int>(world_size / Product(requested, kExpertFamily));
  }
  return filled;
}

AxisSizes NearestLayout(const AxisSizes& requested, int world_size) {
  CADMUS_CHECK(world_size >= 1, StrCat("world of ", world_size));
  const AxisSizes dense = LayoutSearch(requested, kDenseFamily, {}, world_size).best();
  return LayoutSearch(dense, kExpertFamily, Axis::kPp, world_size).best();
}

}  // namespace cadmus
