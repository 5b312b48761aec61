// SPDX-License-Identifier: Apache-2.0
// AdamW: a thread per pack of four elements; each block derives the step's coefficients once.
#include "kernels/ops/adamw.h"

#include "kernels/cuda/index_check.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

// G: of gradients, O: of the optimizer.
template <class G, class O>
struct Update {
  const StepScalars* scalars;
  const G* grad;
  O *master, *m, *v;
  void* weight;
  DType weight_dtype;
  int64_t n;
  double beta1, beta2, epsilon, weight_decay;
};

template <class O>
struct Coefficients {
  O clip, root_correction2, shrink, rate;
};

template <class O>
__device__ inline void StoreWeight(void* weight, DType dtype, int64_t i, O value) {
  switch (dtype) {
    case DType::kF64:
      static_cast<double*>(weight)[i] = static_cast<double>(value);
      break;
    case DType::kF32:
      static_cast<float*>(weight)[i] = static_cast<float>(value);
      break;
    case DType::kBF16:
      static_cast<__nv_bfloat16*>(weight)[i] = Narrow<__nv_bfloat16>(value);
      break;
    default:
      break;  // absent: the master is the weight
  }
}

template <class G, class O, int N>
__global__ void __launch_bounds__(kThreads) AdamWKernel(const Update<G, O> in, FaultView faults) {
  __shared__ Coefficients<O> shared;
  if (in.scalars->step < 1) {
    if (blockIdx.x == 0 && threadIdx.x == 0) {
      Raise(faults, {FaultCode::kStep, static_cast<int32_t>(in.scalars->step), 0, 0});
    }
    return;
  }
  if (threadIdx.x == 0) {
    const double step = static_cast<double>(in.scalars->step);
    const double learning_rate = in.scalars->learning_rate;
    shared = {.clip = static_cast<O>(in.scalars->clip_factor),
              .root_correction2 = static_cast<O>(sqrt(1.0 - pow(in.beta2, step))),
              .shrink = static_cast<O>(1.0 - learning_rate * in.weight_decay),
              .rate = static_cast<O>(learning_rate / (1.0 - pow(in.beta1, step)))};
  }
  __syncthreads();
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N;
  if (at >= in.n) return;
  const auto [clip, root_correction2, shrink, rate] = shared;
  const O beta1 = static_cast<O>(in.beta1), beta2 = static_cast<O>(in.beta2);
  const O one_less_beta1 = static_cast<O>(1.0 - in.beta1);
  const O one_less_beta2 = static_cast<O>(1.0 - in.beta2);
  const O epsilon = static_cast<O>(in.epsilon);
  const Pack<G, N> grad = LoadPack<N>(in.grad + at);
  Pack<O, N> master = LoadPack<N>(in.master + at);
  Pack<O, N> m = LoadPack<N>(in.m + at);
  Pack<O, N> v = LoadPack<N>(in.v + at);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const O g = static_cast<O>(Widen(grad.v[i])) * clip;
    m.v[i] = beta1 * m.v[i] + one_less_beta1 * g;
    v.v[i] = beta2 * v.v[i] + one_less_beta2 * g * g;
    const O update = m.v[i] / (sqrt(v.v[i]) / root_correction2 + epsilon);
    master.v[i] = master.v[i] * shrink - rate * update;
    StoreWeight(in.weight, in.weight_dtype, at + i, master.v[i]);
  }
  StorePack(in.master + at, master);
  StorePack(in.m + at, m);
  StorePack(in.v + at, v);
}

// Up to 16 bytes of the optimizer's numbers travel together.
template <class G, class O>
void Step(const AdamWArgs& args, Stream& stream) {
  constexpr int kLength = kPack<O>;
  const Update<G, O> in = {.scalars = static_cast<const StepScalars*>(args.scalars.raw()),
                           .grad = Data<G>(args.grad_N),
                           .master = Data<O>(args.master_N),
                           .m = Data<O>(args.m_N),
                           .v = Data<O>(args.v_N),
                           .weight = args.weight_N.raw(),
                           .weight_dtype = args.weight_N.dtype(),
                           .n = args.master_N.dim(0),
                           .beta1 = args.beta1,
                           .beta2 = args.beta2,
                           .epsilon = args.epsilon,
                           .weight_decay = args.weight_decay};
  const FaultView faults = CudaStreamOf(stream).faults();
  if (AllowsPacks<O>(kLength, {in.master, in.m, in.v}, {in.n}) &&
      AllowsPacks<G>(kLength, {in.grad}, {})) {
    LaunchKernel(args.kName, &AdamWKernel<G, O, kLength>, {.x = DivideUp(in.n, kThreads * kLength)},
                 stream, in, faults);
  } else {
    LaunchKernel(args.kName, &AdamWKernel<G, O, 1>, {.x = DivideUp(in.n, kThreads)}, stream, in,
                 faults);
  }
}

}  // namespace

void AdamW(const AdamWArgs& args, Stream& stream) {
  DispatchFloat(args.grad_N.dtype(), [&](auto gradients) {
    using G = typename decltype(gradients)::Type;
    switch (args.master_N.dtype()) {
      case DType::kF64:
        return Step<G, double>(args, stream);
      case DType::kF32:
        return Step<G, float>(args, stream);
      default:
        throw Error(Kind::kConfig, StrCat("AdamW on a GPU keeps its state in F64 or F32, not in ",
                                          Name(args.master_N.dtype())));
    }
  });
}

}  // namespace cadmus::cuda
