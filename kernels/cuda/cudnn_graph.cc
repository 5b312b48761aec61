// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cudnn_graph.h"

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus::cuda {
namespace {

constexpr int64_t kAligned = 16;  // bytes, of every tensor

cudnnBackendDescriptor_t NewDescriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t descriptor = nullptr;
  CheckCudnn(LoadCudnn().CreateDescriptor(type, &descriptor), "cudnnBackendCreateDescriptor");
  return descriptor;
}

std::vector<cudnnBackendDescriptor_t> Handles(std::span<const CudnnDescriptor> descriptors) {
  std::vector<cudnnBackendDescriptor_t> handles;
  for (const CudnnDescriptor& descriptor : descriptors) handles.push_back(descriptor.get());
  return handles;
}

// As many as the attribute has, at most `most`.
std::vector<CudnnDescriptor> GetDescriptors(const CudnnDescriptor& from,
                                            cudnnBackendAttributeName_t name,
                                            cudnnBackendDescriptorType_t type, int64_t most) {
  std::vector<CudnnDescriptor> descriptors;
  for (int64_t i = 0; i < most; ++i) descriptors.emplace_back(type);
  std::vector<cudnnBackendDescriptor_t> handles = Handles(descriptors);
  int64_t count = 0;
  CheckCudnn(LoadCudnn().GetAttribute(from.get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &count,
                                      handles.data()),
             "cudnnBackendGetAttribute");
  descriptors.erase(descriptors.begin() + std::min(count, most), descriptors.end());
  return descriptors;
}

int64_t GetInt(const CudnnDescriptor& from, cudnnBackendAttributeName_t name) {
  int64_t value = 0, count = 0;
  CheckCudnn(LoadCudnn().GetAttribute(from.get(), name, CUDNN_TYPE_INT64, 1, &count, &value),
             "cudnnBackendGetAttribute");
  return value;
}

bool IsDeterministic(const CudnnDescriptor& engine) {
  constexpr size_t kMostNotes = 64;  // a newer library knows more than our header
  std::array<cudnnBackendNumericalNote_t, kMostNotes> notes = {};
  int64_t count = 0;
  CheckCudnn(
      LoadCudnn().GetAttribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                               CUDNN_TYPE_NUMERICAL_NOTE, notes.size(), &count, notes.data()),
      "cudnnBackendGetAttribute");
  const auto end = notes.begin() + std::min<int64_t>(count, std::ssize(notes));
  return std::find(notes.begin(), end, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) == end;
}

// Engines with their settings, best first.
std::vector<CudnnDescriptor> Proposals(const CudnnDescriptor& graph, const CudnnTarget& target) {
  constexpr int64_t kMostProposals = 16;
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.Set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.Set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, CUDNN_HEUR_MODE_A);
  target.SetPropertiesOn(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
  heuristics.Finalize();
  return GetDescriptors(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                        CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, kMostProposals);
}

}  // namespace

// ---- CudnnDescriptor

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type)
    : handle_(NewDescriptor(type)) {}

void CudnnDescriptor::Traits::Close(Handle descriptor) noexcept {
  if (LoadCudnn().DestroyDescriptor(descriptor) != CUDNN_STATUS_SUCCESS) {
    LogWarning("cudnnBackendDestroyDescriptor failed");
  }
}

void CudnnDescriptor::SetRaw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                             int64_t count, const void* values) {
  CheckCudnn(LoadCudnn().SetAttribute(get(), name, type, count, values),
             "cudnnBackendSetAttribute");
}

void CudnnDescriptor::Finalize() {
  CheckCudnn(LoadCudnn().Finalize(get()), "cudnnBackendFinalize");
}

// ---- CudnnTarget

CudnnTarget CudnnTarget::CurrentGpu() {
  CudnnTarget target;
  cudnnHandle_t handle = nullptr;
  CheckCudnn(LoadCudnn().Create(&handle), "cudnnCreate");
  target.handle_ = UniqueHandle<Traits>(handle);
  return target;
}

CudnnTarget CudnnTarget::Properties(const std::string& json) {
  CudnnTarget target;
  CudnnDescriptor& properties =
      target.properties_.emplace_back(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties.Set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                 std::span<const char>(json));
  properties.Finalize();
  return target;
}

void CudnnTarget::SetPropertiesOn(CudnnDescriptor& descriptor,
                                  cudnnBackendAttributeName_t name) const {
  if (!properties_.empty()) descriptor.Set(name, properties_.front());
}

void CudnnTarget::Traits::Close(Handle handle) noexcept {
  if (LoadCudnn().Destroy(handle) != CUDNN_STATUS_SUCCESS) LogWarning("cudnnDestroy failed");
}

// ---- CudnnPlan

void CudnnPlan::Run(cudnnHandle_t handle, std::span<const Argument> arguments,
                    void* workspace) const {
  // Here rather than in a vector: a call is on the step path.
  constexpr size_t kMost = 24;
  std::array<CudnnTensor, kMost> ids;
  std::array<const void*, kMost> data;
  const size_t count = constants_.size() + arguments.size();
  CADMUS_CHECK(count <= kMost, StrCat(count, " tensors of a cuDNN graph"));
  for (size_t i = 0; i < constants_.size(); ++i) {
    ids[i] = constant_ids_[i];
    data[i] = &constants_[i];
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    ids[constants_.size() + i] = arguments[i].tensor;
    data[constants_.size() + i] = arguments[i].data;
  }
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.Set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
           std::span<const int64_t>(ids).first(count));
  pack.Set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
           std::span<const void* const>(data).first(count));
  pack.Set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  pack.Finalize();
  CheckCudnn(LoadCudnn().Execute(handle, descriptor_.get(), pack.get()), "cudnnBackendExecute");
}

// ---- CudnnGraph: tensors

CudnnShape CudnnShape::Transposed() const {
  CudnnShape shape = *this;
  std::swap(shape.dims[2], shape.dims[3]);
  std::swap(shape.strides[2], shape.strides[3]);
  return shape;
}

CudnnShape Contiguous(const std::array<int64_t, 4>& dims) {
  return {dims, {dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3], 1}};
}

CudnnTensor CudnnGraph::NewTensor(const CudnnShape& shape, cudnnDataType_t dtype, TensorKind kind) {
  CudnnDescriptor& tensor = tensors_.emplace_back(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const auto id = static_cast<CudnnTensor>(tensors_.size());
  tensor.Set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
  tensor.Set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, dtype);
  tensor.Set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::span<const int64_t>(shape.dims));
  tensor.Set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::span<const int64_t>(shape.strides));
  tensor.Set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, kAligned);
  tensor.Set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, kind == TensorKind::kVirtual);
  tensor.Set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, kind == TensorKind::kConstant);
  tensor.Finalize();
  return id;
}

CudnnTensor CudnnGraph::Given(const CudnnShape& shape, cudnnDataType_t dtype) {
  return NewTensor(shape, dtype, TensorKind::kGiven);
}

CudnnTensor CudnnGraph::Virtual(const CudnnShape& shape, cudnnDataType_t dtype) {
  return NewTensor(shape, dtype, TensorKind::kVirtual);
}

CudnnTensor CudnnGraph::Constant(float value) {
  const CudnnTensor id =
      NewTensor(Contiguous({1, 1, 1, 1}), CUDNN_DATA_FLOAT, TensorKind::kConstant);
  constant_ids_.push_back(id);
  constants_.push_back(value);
  return id;
}

const CudnnDescriptor& CudnnGraph::Find(CudnnTensor id) const {
  return tensors_.at(static_cast<size_t>(id - 1));
}

// ---- CudnnGraph: operations

void CudnnGraph::Matmul(CudnnTensor a, CudnnTensor b, CudnnTensor c) {
  CudnnDescriptor matmul(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  matmul.Set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  matmul.Finalize();
  CudnnDescriptor& operation = operations_.emplace_back(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  operation.Set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, Find(a));
  operation.Set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, Find(b));
  operation.Set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, Find(c));
  operation.Set(CUDNN_ATTR_OPERATION_MATMUL_DESC, matmul);
  operation.Finalize();
}

void CudnnGraph::Reduce(cudnnReduceTensorOp_t op, CudnnTensor x, CudnnTensor y) {
  CudnnDescriptor reduction(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  reduction.Set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, op);
  reduction.Set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  reduction.Finalize();
  CudnnDescriptor& operation =
      operations_.emplace_back(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  operation.Set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, Find(x));
  operation.Set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, Find(y));
  operation.Set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, reduction);
  operation.Finalize();
}

void CudnnGraph::Reshape(CudnnTensor x, CudnnTensor y) {
  CudnnDescriptor& operation = operations_.emplace_back(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
  operation.Set(CUDNN_ATTR_OPERATION_RESHAPE_XDESC, Find(x));
  operation.Set(CUDNN_ATTR_OPERATION_RESHAPE_YDESC, Find(y));
  operation.Finalize();
}

void CudnnGraph::AddPointwise(cudnnPointwiseMode_t mode, std::span<const CudnnTensor> inputs,
                              CudnnTensor y, const PointwiseOptions& options) {
  CudnnDescriptor pointwise(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  pointwise.Set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
  pointwise.Set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, options.computes_in);
  if (options.dim) {
    pointwise.Set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, *options.dim);
  }
  pointwise.Finalize();
  constexpr cudnnBackendAttributeName_t kInputs[] = {CUDNN_ATTR_OPERATION_POINTWISE_XDESC,
                                                     CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                                                     CUDNN_ATTR_OPERATION_POINTWISE_TDESC};
  CudnnDescriptor& operation =
      operations_.emplace_back(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.Set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise);
  for (size_t i = 0; i < inputs.size(); ++i) operation.Set(kInputs[i], Find(inputs[i]));
  operation.Set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, Find(y));
  operation.Finalize();
}

void CudnnGraph::Pointwise(cudnnPointwiseMode_t mode, CudnnTensor x, CudnnTensor y) {
  AddPointwise(mode, std::array{x}, y, {});
}

void CudnnGraph::Pointwise(cudnnPointwiseMode_t mode, CudnnTensor x, CudnnTensor b, CudnnTensor y) {
  AddPointwise(mode, std::array{x, b}, y, {});
}

void CudnnGraph::GenerateIndex(CudnnTensor x, int64_t dim, CudnnTensor y) {
  AddPointwise(CUDNN_POINTWISE_GEN_INDEX, std::array{x}, y, {.dim = dim});
}

void CudnnGraph::Compare(cudnnPointwiseMode_t mode, CudnnTensor x, CudnnTensor b, CudnnTensor y) {
  AddPointwise(mode, std::array{x, b}, y, {.computes_in = CUDNN_DATA_BOOLEAN});
}

void CudnnGraph::Select(CudnnTensor x, CudnnTensor b, CudnnTensor mask, CudnnTensor y) {
  AddPointwise(CUDNN_POINTWISE_BINARY_SELECT, std::array{x, b, mask}, y, {});
}

// ---- CudnnGraph: the plan

CudnnPlan CudnnGraph::MakePlan(const CudnnTarget& target, const PlanOptions& options) const {
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.Set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            std::span<const cudnnBackendDescriptor_t>(Handles(operations_)));
  if (target.handle() != nullptr) {
    graph.Set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle());
  }
  graph.Finalize();
  std::string refusals;
  for (const CudnnDescriptor& proposal : Proposals(graph, target)) {
    const CudnnDescriptor engine = std::move(
        GetDescriptors(proposal, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1)
            .at(0));
    const int64_t index = GetInt(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    refusals += StrCat(refusals.empty() ? "" : "; ", "engine ", index);
    if (options.is_deterministic && !IsDeterministic(engine)) {
      refusals += " is not deterministic";
      continue;
    }
    CudnnPlan plan;
    if (target.handle() != nullptr) {
      plan.descriptor_.Set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle());
    }
    target.SetPropertiesOn(plan.descriptor_, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
    plan.descriptor_.Set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, proposal);
    // A proposal that cannot be had is no failure: the next one may.
    if (LoadCudnn().Finalize(plan.descriptor_.get()) != CUDNN_STATUS_SUCCESS) {
      refusals += " cannot be had";
      continue;
    }
    plan.workspace_bytes_ = GetInt(plan.descriptor_, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
    if (plan.workspace_bytes_ > options.most_workspace_bytes) {
      refusals += StrCat(" needs ", plan.workspace_bytes_, " bytes of workspace, more than ",
                         options.most_workspace_bytes);
      continue;
    }
    plan.engine_ = index;
    plan.constant_ids_ = constant_ids_;
    plan.constants_ = constants_;
    return plan;
  }
  throw Error(Kind::kConfig, StrCat(CudnnVersionInWords(LoadCudnn().GetVersion()), " has no plan: ",
                                    refusals.empty() ? "nothing was proposed" : refusals));
}

}  // namespace cadmus::cuda
