// SPDX-License-Identifier: Apache-2.0
#include "runtime/nn/offload.h"

#include <vector>

#include "kernels/base/log.h"
#include "runtime/nn/host_memory.h"
#include "runtime/nn/wrapped_module.h"

namespace cadmus {

// A saved tensor, and where it lies while it is away.
struct OffloadedTensor {
  Tensor* tensor = nullptr;
  bool is_stored = false;
  TensorView host;
  MemoryCategory category = MemoryCategory::kActivationsInput;
  HostMemory memory;
};

struct OffloadedSaved final : WrappedSaved {
  enum class Place {
    kDevice,   // nothing is stored
    kBoth,     // stored, not yet freed on the device
    kHost,     // stored
    kArriving  // on the device behind `copied`
  };

  OffloadedSaved(std::unique_ptr<Saved> inner_saved, ActivationOffload& shared);
  ~OffloadedSaved() override;

  void Store(Stream& compute);
  void Free();
  void StartFetch(Stream& compute);
  void FinishFetch(Stream& compute);

  ActivationOffload& offload;
  std::vector<OffloadedTensor> tensors;
  Place place = Place::kDevice;
  std::unique_ptr<Event> computed;  // on the compute stream: the tensors have their values
  std::unique_ptr<Event> copied;    // on the copying stream: the latest copy, either way
};

OffloadedSaved::OffloadedSaved(std::unique_ptr<Saved> inner_saved, ActivationOffload& shared)
    : WrappedSaved(std::move(inner_saved)),
      offload(shared),
      computed(shared.copies_.device().NewEvent()),
      copied(shared.copies_.device().NewEvent()) {
  inner->VisitTensors([this](Tensor& tensor) { tensors.emplace_back().tensor = &tensor; });
  CADMUS_CHECK(!tensors.empty(),
               "an offloaded module names no saved tensor; override Saved::VisitTensors");
}

OffloadedSaved::~OffloadedSaved() {
  if (offload.latest_ == this) offload.latest_ = nullptr;
  try {
    copied->Synchronize(offload.copies_.device().wait_limit());
  } catch (const std::exception& e) {
    LogError(StrCat("offloaded activations end before their copy: ", e.what()));
    for (OffloadedTensor& away : tensors) away.memory.Abandon();
  }
}

void OffloadedSaved::Store(Stream& compute) {
  if (offload.latest_ != nullptr) offload.latest_->Free();
  Stream& copies = offload.copies_;
  compute.Record(*computed);
  copies.Wait(*computed);
  for (OffloadedTensor& away : tensors) {
    const Tensor& tensor = *away.tensor;
    away.is_stored = tensor && !tensor.is_borrowed();
    if (!away.is_stored) continue;
    const int64_t num_bytes = tensor.view().num_bytes();
    if (away.memory.num_bytes() < num_bytes) {
      copied->Synchronize(copies.device().wait_limit());
      offload.host_bytes_ += num_bytes - away.memory.num_bytes();
      away.memory = HostMemory(num_bytes);
    }
    away.host = TensorView(away.memory.data(), tensor.view().dtype(), tensor.view().shape());
    away.category = tensor.category();
    copies.device().CopyToHost(away.host, tensor.view(), copies);
    tensor.RecordUse(copies);
  }
  copies.Record(*copied);
  place = Place::kBoth;
  offload.latest_ = this;
}

// The memory is handed out again only behind the copy (RecordUse).
void OffloadedSaved::Free() {
  offload.latest_ = nullptr;
  for (OffloadedTensor& away : tensors) {
    if (away.is_stored) away.tensor->Reset();
  }
  place = Place::kHost;
}

void OffloadedSaved::StartFetch(Stream& compute) {
  if (place != Place::kHost) return;
  Stream& copies = offload.copies_;
  for (OffloadedTensor& away : tensors) {
    if (!away.is_stored) continue;
    // Of the copying stream: the copy waits for those who used this memory before, and for no more.
    *away.tensor = Tensor(away.host.dtype(), away.host.shape(), away.category, copies);
    copies.device().CopyToDevice(*away.tensor, away.host, copies);
    away.tensor->RecordUse(compute);
  }
  copies.Record(*copied);
  place = Place::kArriving;
}

void OffloadedSaved::FinishFetch(Stream& compute) {
  StartFetch(compute);
  if (place == Place::kDevice) return;
  if (offload.latest_ == this) offload.latest_ = nullptr;
  // Also where the tensors never left: backward may write to them, behind the copy.
  compute.Wait(*copied);
  place = Place::kDevice;
}

namespace {

class OffloadedModule final : public WrappedModule {
 public:
  OffloadedModule(std::unique_ptr<Module> module, ActivationOffload& offload)
      : WrappedModule(std::move(module)), offload_(offload) {
    forward_.push_back(
        {SegmentKind::kCommunicate, "offload", [](Module&, ForwardContext& context, Saved& saved) {
           if (!context.saves()) return;
           static_cast<OffloadedSaved&>(saved).Store(context.stream);
         }});
    backward_input_.insert(
        backward_input_.begin(),
        {SegmentKind::kCommunicate, "fetch", [](Module&, BackwardContext& context, Saved& saved) {
           static_cast<OffloadedSaved&>(saved).FinishFetch(context.stream);
         }});
  }

  std::unique_ptr<Saved> NewSaved() const override {
    return std::make_unique<OffloadedSaved>(inner().NewSaved(), offload_);
  }
  void PrepareBackward(BackwardContext& context, Saved& saved) override {
    static_cast<OffloadedSaved&>(saved).StartFetch(context.stream);
  }

 private:
  ActivationOffload& offload_;
};

}  // namespace

std::unique_ptr<Module> MakeOffloaded(std::unique_ptr<Module> module, ActivationOffload& offload) {
  return std::make_unique<OffloadedModule>(std::move(module), offload);
}

}  // namespace cadmus
