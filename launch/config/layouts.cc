// SPDX-License-Identifier: Apache-2.0
#include "launch/config/layouts.h"

#include <google/protobuf/descriptor.h>

#include <array>
#include <cmath>
#include <functional>
#include <string_view>

#include "kernels/base/str_cat.h"
#include "launch/config/layout_rules.h"
#include "launch/config/run_config.pb.h"
#include "models/families.h"
#include "runtime/mesh/make_mesh.h"

namespace cadmus {
namespace {

// The axes that a split of ranks is made of, in the order in which the search fixes them: what
// comes first is kept longest where two layouts are equally near.
constexpr std::array kSplitAxes = {Axis::kTp, Axis::kDpShard, Axis::kPp, Axis::kDpReplicate};

void SetSplit(const AxisSizes& sizes, ParallelConfig& config) {
  config.set_pp(sizes.pp);
  config.set_dp_replicate(sizes.dp_replicate);
  config.set_dp_shard(sizes.dp_shard);
  config.set_tp(sizes.tp);
}

// Calls `visit` with every way to write `world_size` as a product of the split axes' sizes; the
// other axes are 1.
void VisitSplits(int world_size, const std::function<void(const AxisSizes&)>& visit) {
  std::vector<int> divisors;
  for (int d = 1; d <= world_size; ++d) {
    if (world_size % d == 0) divisors.push_back(d);
  }
  AxisSizes sizes;
  for (int tp : divisors) {
    for (int dp_shard : divisors) {
      if (world_size / tp % dp_shard != 0) continue;
      for (int pp : divisors) {
        if (world_size / tp / dp_shard % pp != 0) continue;
        sizes.tp = tp;
        sizes.dp_shard = dp_shard;
        sizes.pp = pp;
        sizes.dp_replicate = world_size / tp / dp_shard / pp;
        visit(sizes);
      }
    }
  }
}

// An option of the layout besides the axes, with the value that fits every model and world.
struct Option {
  std::string_view field;
  void (*make_fit)(RunConfig&);
};

constexpr Option kOptions[] = {
    {"parallel.zero", [](RunConfig& c) { c.mutable_parallel()->set_zero(1); }},
    {"parallel.prefetch", [](RunConfig& c) { c.mutable_parallel()->set_prefetch(1); }},
    {"parallel.sequence_parallel",
     [](RunConfig& c) { c.mutable_parallel()->set_sequence_parallel(false); }},
    {"parallel.token_parts", [](RunConfig& c) { c.mutable_parallel()->set_token_parts(1); }},
    {"parallel.schedule",
     [](RunConfig& c) { c.mutable_parallel()->set_schedule(ParallelConfig::ONE_F_ONE_B); }},
    {"parallel.schedule_file", [](RunConfig& c) { c.mutable_parallel()->clear_schedule_file(); }},
    {"parallel.chunks",
     [](RunConfig& c) {
       const int64_t most = MakeShape(c.model()).num_layers / std::max(c.parallel().pp(), 1);
       c.mutable_parallel()->set_chunks(static_cast<int>(std::max<int64_t>(most, 1)));
     }},
    {"parallel.blocks_per_stage",
     [](RunConfig& c) { c.mutable_parallel()->clear_blocks_per_stage(); }},
    {"train.recompute_blocks", [](RunConfig& c) { c.mutable_train()->set_recompute_blocks(0); }},
};

struct Repair {
  bool valid = false;
  int options_changed = 0;
};

// Gives the options whose rules `config` breaks the value that fits, as long as that helps.
Repair MakeOptionsFit(RunConfig& config, int world_size) {
  std::array<bool, std::size(kOptions)> changed = {};
  Repair repair;
  for (;;) {
    const std::vector<LayoutProblem> problems = LayoutProblems(config, world_size);
    if (problems.empty()) {
      repair.valid = true;
      return repair;
    }
    const int before = repair.options_changed;
    for (const LayoutProblem& problem : problems) {
      for (size_t i = 0; i < std::size(kOptions); ++i) {
        if (problem.field != kOptions[i].field || changed[i]) continue;
        kOptions[i].make_fit(config);
        changed[i] = true;
        ++repair.options_changed;
      }
    }
    if (repair.options_changed == before) return repair;
  }
}

struct Distance {
  int changes = 0;
  double log_factor = 0;  // Σ |log2(new / old)| over the axes

  bool Below(const Distance& other) const {
    if (changes != other.changes) return changes < other.changes;
    return log_factor < other.log_factor - 1e-9;  // equal factors in another order are a tie
  }
};

Distance DistanceOf(const AxisSizes& sizes, const AxisSizes& asked) {
  Distance distance;
  for (Axis axis : kSplitAxes) {
    const bool fills = axis == Axis::kDpReplicate && asked[axis] == 0;
    if (sizes[axis] == asked[axis] || fills) continue;
    ++distance.changes;
    distance.log_factor +=
        std::abs(std::log2(static_cast<double>(sizes[axis]) / std::max(asked[axis], 1)));
  }
  return distance;
}

// Everything that is not a split axis and that this version wants to be 1.
void ClearOtherAxes(ParallelConfig& config) {
  config.clear_cp_ring();
  config.clear_cp_ulysses();
  config.clear_edp_replicate();
  config.clear_edp_shard();
  config.clear_ep();
  config.clear_etp();
}

std::string ValueText(const google::protobuf::Message& message,
                      const google::protobuf::FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  if (field.is_repeated()) {
    std::string list;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      list += StrCat(i == 0 ? "" : "+", reflection.GetRepeatedInt32(message, &field, i));
    }
    return list.empty() ? "even" : list;
  }
  switch (field.cpp_type()) {
    case google::protobuf::FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case google::protobuf::FieldDescriptor::CPPTYPE_ENUM:
      return reflection.GetEnum(message, &field)->name();
    case google::protobuf::FieldDescriptor::CPPTYPE_INT32:
      return StrCat(reflection.GetInt32(message, &field));
    case google::protobuf::FieldDescriptor::CPPTYPE_INT64:
      return StrCat(reflection.GetInt64(message, &field));
    case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
      return StrCat(reflection.GetDouble(message, &field));
    case google::protobuf::FieldDescriptor::CPPTYPE_UINT64:
      return StrCat(reflection.GetUInt64(message, &field));
    default:
      return reflection.GetString(message, &field);
  }
}

// "; schedule ZBV, chunks 2": the fields of `message` that differ from `usual`, axes left out.
void AppendDifferences(const google::protobuf::Message& message,
                       const google::protobuf::Message& usual, std::string& text) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *type.field(i);
    bool is_axis = false;
    for (Axis axis : AllAxes()) is_axis |= field.name() == AxisName(axis);
    const std::string value = ValueText(message, field);
    if (is_axis || value == ValueText(usual, field)) continue;
    text += StrCat(text.find(';') == std::string::npos ? "; " : ", ", field.name(), " ", value);
  }
}

}  // namespace

std::vector<RunConfig> ValidSplits(const RunConfig& config, int world_size) {
  std::vector<RunConfig> valid;
  VisitSplits(world_size, [&](const AxisSizes& sizes) {
    RunConfig split = config;
    SetSplit(sizes, *split.mutable_parallel());
    if (LayoutProblems(split, world_size).empty()) valid.push_back(std::move(split));
  });
  return valid;
}

std::optional<RunConfig> NearestValidLayout(const RunConfig& config, int world_size) {
  const AxisSizes asked = MakeAxisSizes(config.parallel());
  std::optional<RunConfig> nearest;
  Distance least = {.changes = static_cast<int>(std::size(kSplitAxes) + std::size(kOptions)) + 1};
  VisitSplits(world_size, [&](const AxisSizes& sizes) {
    Distance distance = DistanceOf(sizes, asked);
    if (!distance.Below(least)) return;
    RunConfig candidate = config;
    ClearOtherAxes(*candidate.mutable_parallel());
    SetSplit(sizes, *candidate.mutable_parallel());
    const Repair repair = MakeOptionsFit(candidate, world_size);
    distance.changes += repair.options_changed;
    if (!repair.valid || !distance.Below(least)) return;
    least = distance;
    nearest = std::move(candidate);
  });
  return nearest;
}

std::string DescribeLayout(const RunConfig& config, const RunConfig& usual) {
  std::string text = ToString(MakeAxisSizes(config.parallel()));
  AppendDifferences(config.parallel(), usual.parallel(), text);
  AppendDifferences(config.train(), usual.train(), text);
  return text;
}

}  // namespace cadmus
