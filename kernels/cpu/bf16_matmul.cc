// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/bf16_matmul.h"

#include <omp.h>

#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus::cpu {
namespace {

using Memory = dnnl::memory;

const dnnl::engine& Engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

Memory::data_type OneDnnType(DType dtype) {
  return dtype == DType::kF32 ? Memory::data_type::f32 : Memory::data_type::bf16;
}

// op(operand) is [rows, columns]; as stored, rows lie `stride` apart.
Memory::desc Describe(int64_t rows, int64_t columns, Transpose transpose, int64_t stride,
                      DType dtype) {
  const bool yes = transpose == Transpose::kYes;
  return {
      {rows, columns}, OneDnnType(dtype), yes ? Memory::dims{1, stride} : Memory::dims{stride, 1}};
}

dnnl::matmul::primitive_desc MakeDescription(const Bf16MatmulShape& shape) {
  const Memory::desc a =
      Describe(shape.m, shape.k, shape.transpose_a, shape.row_stride_a, DType::kBF16);
  const Memory::desc b =
      Describe(shape.k, shape.n, shape.transpose_b, shape.row_stride_b, DType::kBF16);
  const Memory::desc c =
      Describe(shape.m, shape.n, Transpose::kNo, shape.row_stride_c, shape.output);
  dnnl::primitive_attr attributes;
  // The library's own scratch memory belongs to the thread that made the primitive.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (shape.mode == GradMode::kAccumulate) {
    dnnl::post_ops add;
    add.append_sum(1);
    attributes.set_post_ops(add);
  }
  if (!shape.has_bias) return {dnnl::matmul::desc(a, b, c), attributes, Engine()};
  const Memory::desc bias({1, shape.n}, Memory::data_type::bf16, Memory::dims{shape.n, 1});
  return {dnnl::matmul::desc(a, b, bias, c), attributes, Engine()};
}

void* ThreadScratch(size_t bytes) {
  static thread_local std::vector<std::byte> scratch;
  if (scratch.size() < bytes) scratch.resize(bytes);
  return scratch.data();
}

}  // namespace

struct Bf16Matmul::Primitive {
  dnnl::matmul::primitive_desc description;
  dnnl::matmul product;
  bool has_bias;
};

Bf16Matmul::Bf16Matmul(const Bf16MatmulShape& shape) {
  omp_set_num_threads(1);  // what the primitive is made for, and the pool's rule anyway
  try {
    const dnnl::matmul::primitive_desc description = MakeDescription(shape);
    primitive_ = std::make_unique<Primitive>(
        Primitive{description, dnnl::matmul(description), shape.has_bias});
  } catch (const dnnl::error& e) {
    throw Error(Kind::kInternal, StrCat("oneDNN makes no bf16 product of m ", shape.m, ", n ",
                                        shape.n, ", k ", shape.k, " here: ", e.what()));
  }
}

Bf16Matmul::Bf16Matmul(Bf16Matmul&&) noexcept = default;
Bf16Matmul& Bf16Matmul::operator=(Bf16Matmul&&) noexcept = default;
Bf16Matmul::~Bf16Matmul() = default;

void Bf16Matmul::Run(const BFloat16* a, const BFloat16* b, const BFloat16* bias, void* c) const {
  const dnnl::matmul::primitive_desc& description = primitive_->description;
  const auto memory = [&](const Memory::desc& desc, const void* data) {
    return Memory(desc, Engine(), const_cast<void*>(data));
  };
  const Memory::desc scratchpad = description.scratchpad_desc();
  std::unordered_map<int, Memory> arguments = {
      {DNNL_ARG_SRC, memory(description.src_desc(), a)},
      {DNNL_ARG_WEIGHTS, memory(description.weights_desc(), b)},
      {DNNL_ARG_DST, memory(description.dst_desc(), c)},
      {DNNL_ARG_SCRATCHPAD, memory(scratchpad, ThreadScratch(scratchpad.get_size()))}};
  if (primitive_->has_bias) {
    arguments.emplace(DNNL_ARG_BIAS, memory(description.bias_desc(), bias));
  }
  dnnl::stream stream(Engine());
  primitive_->product.execute(stream, arguments);
  stream.wait();
}

}  // namespace cadmus::cpu
