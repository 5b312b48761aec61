// SPDX-License-Identifier: Apache-2.0
// CudnnGraph: a graph of cuDNN's operations, and the plan that the library makes of it, for a GPU
// or, where there is none, for the properties of one.
//
//   CudnnGraph graph;
//   const CudnnTensor a = graph.Given(shape_a), b = graph.Given(shape_b), c = graph.Given(shape_c);
//   graph.Matmul(a, b, c);
//   const CudnnPlan plan = graph.MakePlan(target, {.most_workspace_bytes = n});
//   plan.Run(handle, arguments, workspace);
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/unique_handle.h"
#include "kernels/cuda/cudnn_library.h"

namespace cadmus::cuda {

// A backend descriptor: made, given attributes, finalised.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type);

  cudnnBackendDescriptor_t get() const { return handle_.get(); }

  template <class Value>
  void Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
           std::span<const Value> values) {
    SetRaw(name, type, static_cast<int64_t>(values.size()), values.data());
  }
  template <class Value>
  void Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const Value& value) {
    SetRaw(name, type, 1, &value);
  }
  void Set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
    Set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.get());
  }
  void Finalize();

 private:
  struct Traits {
    using Handle = cudnnBackendDescriptor_t;
    static constexpr Handle kEmpty = nullptr;
    static void Close(Handle descriptor) noexcept;
  };
  void SetRaw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
              const void* values);

  UniqueHandle<Traits> handle_;
};

// What plans are made for: the current CUDA device; or a GPU's properties in cuDNN's own JSON, and
// then they cannot run.
class CudnnTarget {
 public:
  static CudnnTarget CurrentGpu();
  static CudnnTarget Properties(const std::string& json);

  cudnnHandle_t handle() const { return handle_.get(); }  // null: properties
  // Does nothing for a GPU.
  void SetPropertiesOn(CudnnDescriptor& descriptor, cudnnBackendAttributeName_t name) const;

 private:
  struct Traits {
    using Handle = cudnnHandle_t;
    static constexpr Handle kEmpty = nullptr;
    static void Close(Handle handle) noexcept;
  };
  CudnnTarget() = default;

  UniqueHandle<Traits> handle_;
  std::vector<CudnnDescriptor> properties_;  // one, or none
};

using CudnnTensor = int64_t;  // its id in the graph

struct CudnnShape {
  std::array<int64_t, 4> dims, strides;  // in elements

  CudnnShape Transposed() const;  // of the last two dims
};
CudnnShape Contiguous(const std::array<int64_t, 4>& dims);

class CudnnPlan {
 public:
  int64_t workspace_bytes() const { return workspace_bytes_; }
  int64_t engine() const { return engine_; }

  // The tensors that a call gives. Memory of the target's GPU, on 16 bytes.
  struct Argument {
    CudnnTensor tensor;
    const void* data;
  };
  void Run(cudnnHandle_t handle, std::span<const Argument> arguments, void* workspace) const;

 private:
  friend class CudnnGraph;
  CudnnPlan() : descriptor_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {}

  CudnnDescriptor descriptor_;
  int64_t workspace_bytes_ = 0, engine_ = 0;
  std::vector<CudnnTensor> constant_ids_;
  std::vector<float> constants_;
};

class CudnnGraph {
 public:
  // In memory that each call gives.
  CudnnTensor Given(const CudnnShape& shape, cudnnDataType_t dtype = CUDNN_DATA_BFLOAT16);
  CudnnTensor Constant(float value);
  // Between operations only, never in memory.
  CudnnTensor Virtual(const CudnnShape& shape, cudnnDataType_t dtype = CUDNN_DATA_FLOAT);

  // Each computes in f32.
  void Matmul(CudnnTensor a, CudnnTensor b, CudnnTensor c);
  void Reduce(cudnnReduceTensorOp_t op, CudnnTensor x, CudnnTensor y);
  void Reshape(CudnnTensor x, CudnnTensor y);
  void Pointwise(cudnnPointwiseMode_t mode, CudnnTensor x, CudnnTensor y);
  void Pointwise(cudnnPointwiseMode_t mode, CudnnTensor x, CudnnTensor b, CudnnTensor y);
  // The indices of x along a dim.
  void GenerateIndex(CudnnTensor x, int64_t dim, CudnnTensor y);
  void Compare(cudnnPointwiseMode_t mode, CudnnTensor x, CudnnTensor b, CudnnTensor y);
  // y = mask ? x : b
  void Select(CudnnTensor x, CudnnTensor b, CudnnTensor mask, CudnnTensor y);

  struct PlanOptions {
    bool is_deterministic = true;  // nothing that the library itself calls nondeterministic
    int64_t most_workspace_bytes = 0;
  };
  // The first that fits of what the library proposes, best first. Throws kConfig where none does.
  CudnnPlan MakePlan(const CudnnTarget& target, const PlanOptions& options) const;

 private:
  enum class TensorKind : uint8_t { kGiven, kVirtual, kConstant };
  struct PointwiseOptions {
    cudnnDataType_t computes_in = CUDNN_DATA_FLOAT;
    std::optional<int64_t> dim = std::nullopt;
  };
  CudnnTensor NewTensor(const CudnnShape& shape, cudnnDataType_t dtype, TensorKind kind);
  const CudnnDescriptor& Find(CudnnTensor id) const;
  void AddPointwise(cudnnPointwiseMode_t mode, std::span<const CudnnTensor> inputs, CudnnTensor y,
                    const PointwiseOptions& options);

  std::vector<CudnnDescriptor> tensors_;  // by id, from 1 on
  std::vector<CudnnDescriptor> operations_;
  std::vector<CudnnTensor> constant_ids_;
  std::vector<float> constants_;
};

}  // namespace cadmus::cuda
