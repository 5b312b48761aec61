// SPDX-License-Identifier: Apache-2.0
#include "models/decoder/placement.h"

#include "kernels/base/error.h"
#include "runtime/parallel/tensor/place.h"

namespace cadmus {
namespace {

enum class Role { kTable, kPositions, kQkv, kAttentionOut, kGateUp, kUp, kDown, kNorm, kHeadNorm };

bool IsBias(const std::string& name) { return name.ends_with(".bias"); }

Role RoleOf(const std::string& name) {
  if (name == "embedding.weight" || name == "head.weight") return Role::kTable;
  if (name == "positions.weight") return Role::kPositions;
  const std::string owner = name.substr(0, name.rfind('.'));
  if (name.ends_with(".weight") || IsBias(name)) {
    if (owner.ends_with(".attention.qkv")) return Role::kQkv;
    if (owner.ends_with(".attention.out")) return Role::kAttentionOut;
    if (owner.ends_with(".mlp.gate_up")) return Role::kGateUp;
    if (owner.ends_with(".mlp.up")) return Role::kUp;
    if (owner.ends_with(".mlp.down")) return Role::kDown;
    if (owner.ends_with(".q_norm") || owner.ends_with(".k_norm")) return Role::kHeadNorm;
    if (owner.ends_with("_norm")) return Role::kNorm;
  }
  CADMUS_UNREACHABLE(StrCat("no decoder has a parameter ", name));
}

bool Fits(const DecoderShape& shape, int tp) {
  return shape.num_heads % tp == 0 && shape.intermediate_size % tp == 0 &&
         (shape.num_kv_heads % tp == 0 || tp % shape.num_kv_heads == 0);
}

// Of a weight; its bias lies as dim 0 does.
std::vector<DimPlacement> WeightDims(Role role, const DecoderShape& shape, int tp) {
  const int64_t width = shape.hidden_size;
  const int64_t query_rows = shape.num_heads * shape.head_dim;
  const Block kv_rows = {.extent = shape.num_kv_heads * shape.head_dim,
                         .replicas = NumKvReplicas(shape, tp)};
  switch (role) {
    case Role::kTable: {
      const Block vocabulary = {.extent = shape.vocab_size,
                                .padding = PaddingFor(shape.vocab_size, tp)};
      return {{.axes = Axis::kTp, .blocks = {vocabulary}}, Replicated(width)};
    }
    case Role::kPositions:
      return {Replicated(shape.max_positions), Replicated(width)};
    case Role::kQkv:
      return {{.axes = Axis::kTp, .blocks = {{query_rows}, kv_rows, kv_rows}}, Replicated(width)};
    case Role::kAttentionOut:
      return {Replicated(width), Sharded(Axis::kTp, query_rows)};
    case Role::kGateUp: {
      const Block half = {shape.intermediate_size};
      return {{.axes = Axis::kTp, .blocks = {half, half}}, Replicated(width)};
    }
    case Role::kUp:
      return {Sharded(Axis::kTp, shape.intermediate_size), Replicated(width)};
    case Role::kDown:
      return {Replicated(width), Sharded(Axis::kTp, shape.intermediate_size)};
    case Role::kNorm:
      return {Replicated(width)};
    case Role::kHeadNorm:
      return {Replicated(shape.head_dim)};
  }
  CADMUS_UNREACHABLE("a role without a placement");
}

}  // namespace

std::vector<std::string> TensorParallelProblems(const DecoderShape& shape, int tp) {
  CADMUS_CHECK(tp >= 1, StrCat("tp ", tp));
  std::vector<std::string> problems;
  if (Fits(shape, tp)) return problems;
  int smaller = tp - 1;
  while (!Fits(shape, smaller)) --smaller;  // 1 fits
  const std::string remedy = StrCat("; the next smaller tp that this model allows is ", smaller);
  const auto must_divide = [&](const char* field, int64_t size) {
    if (size % tp == 0) return;
    problems.push_back(StrCat("parallel.tp = ", tp, " does not divide model.", shape.family, ".",
                              field, " = ", size, remedy));
  };
  must_divide("num_attention_heads", shape.num_heads);
  if (shape.num_kv_heads != shape.num_heads && shape.num_kv_heads % tp != 0 &&
      tp % shape.num_kv_heads != 0) {
    problems.push_back(StrCat("parallel.tp = ", tp, " and model.", shape.family,
                              ".num_key_value_heads = ", shape.num_kv_heads,
                              ": one must divide the other", remedy));
  }
  must_divide("intermediate_size", shape.intermediate_size);
  return problems;
}

int NumKvReplicas(const DecoderShape& shape, int tp) {
  return tp <= shape.num_kv_heads ? 1 : tp / static_cast<int>(shape.num_kv_heads);
}

PlacementSpec DecoderPlacement(const std::string& name, const DecoderShape& shape, int tp) {
  std::vector<DimPlacement> dims = WeightDims(RoleOf(name), shape, tp);
  if (IsBias(name)) dims.resize(1);
  return {.name = name, .dims = std::move(dims)};
}

void PlaceParameter(Parameter& parameter, const DecoderShape& shape,
                    const TensorParallel& parallel) {
  const int tp = parallel.size();
  Place(parameter, DecoderPlacement(parameter.name, shape, tp), parallel);
  const Role role = RoleOf(parameter.name);
  parameter.partial_rows.clear();
  const bool reads_outer_rows = role == Role::kNorm || role == Role::kPositions;
  if ((reads_outer_rows && parallel.splits_sequence()) || (role == Role::kHeadNorm && tp > 1)) {
    parameter.partial_rows = {{0, parameter.shape[0], &parallel.ranks()}};
  }
  if (role == Role::kQkv && NumKvReplicas(shape, tp) > 1) {
    Communicator* replicas = parallel.kv_replicas();
    CADMUS_CHECK(replicas != nullptr && replicas->size() == NumKvReplicas(shape, tp),
                 StrCat(parameter.name, ": each key/value head lies on ", NumKvReplicas(shape, tp),
                        " ranks, which need a group"));
    const int64_t query_rows = shape.num_heads / tp * shape.head_dim;
    parameter.partial_rows = {{query_rows, parameter.LocalShape()[0], replicas}};
  }
}

}  // namespace cadmus
