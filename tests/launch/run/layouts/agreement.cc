// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/agreement.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "kernels/base/error.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

// The tensors that a norm is taken over: gradients, weights, first moments, second moments.
std::string KindOf(const std::string& name) {
  for (const char* prefix : {"gradient of ", "optimizer.m.", "optimizer.v."}) {
    if (name.starts_with(prefix)) return prefix;
  }
  return "weights";
}

std::optional<std::string> FirstTensorApart(const std::vector<GlobalTensor>& tensors,
                                            const std::vector<GlobalTensor>& one_rank) {
  std::map<std::string, const GlobalTensor*> by_name;
  for (const GlobalTensor& tensor : tensors) by_name[tensor.name] = &tensor;
  std::map<std::string, double> squared_norm_of_kind;
  for (const GlobalTensor& b : one_rank) {
    const double norm = Norm(b.values);
    squared_norm_of_kind[KindOf(b.name)] += norm * norm;
  }
  if (tensors.size() != one_rank.size()) {
    return StrCat(tensors.size(), " tensors in place of ", one_rank.size());
  }
  for (const GlobalTensor& b : one_rank) {
    const auto a = by_name.find(b.name);
    if (a == by_name.end()) return StrCat(b.name, " is missing");
    if (a->second->values.size() != b.values.size()) {
      return StrCat(b.name, " has ", a->second->values.size(), " elements in place of ",
                    b.values.size());
    }
    const double distance = Distance(a->second->values, b.values);
    const double allowed =
        kLayoutBound *
        std::max(Norm(b.values), 1e-6 * std::sqrt(squared_norm_of_kind[KindOf(b.name)]));
    if (!(distance <= allowed)) {
      return StrCat(b.name, " is ", distance, " away from one rank's, allowed are ", allowed);
    }
  }
  return std::nullopt;
}

std::optional<std::string> NumberApart(const char* name, double a, double b) {
  if (std::abs(a - b) <= kLayoutBound * std::abs(b)) return std::nullopt;
  return StrCat(name, " is ", a, ", one rank's is ", b);
}

uint64_t Bits(const std::vector<double>& values) {
  uint64_t bits = values.size();
  for (double value : values) {  // the finaliser of SplitMix64 over a running sum
    bits += std::bit_cast<uint64_t>(value) + 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    bits ^= bits >> 31;
  }
  return bits;
}

}  // namespace

std::optional<std::string> FirstDisagreement(std::span<const GlobalStep> layout,
                                             std::span<const GlobalStep> one_rank) {
  CADMUS_CHECK(layout.size() == one_rank.size(),
               StrCat(layout.size(), " and ", one_rank.size(), " steps"));
  for (size_t step = 0; step < one_rank.size(); ++step) {
    const GlobalStep& a = layout[step];
    const GlobalStep& b = one_rank[step];
    std::optional<std::string> tensor = FirstTensorApart(a.gradients, b.gradients);
    if (!tensor) tensor = FirstTensorApart(a.state, b.state);
    std::optional<std::string> number = NumberApart("loss", a.result.loss, b.result.loss);
    if (!number) {
      number = NumberApart("gradient norm", a.result.gradient_norm, b.result.gradient_norm);
    }
    if (!number) {
      number = NumberApart("learning rate", a.result.learning_rate, b.result.learning_rate);
    }
    std::vector<std::string> wrong = a.problems;
    if (number) wrong.push_back(*number);
    if (tensor) wrong.push_back(*tensor);
    if (wrong.empty()) continue;
    std::string text = StrCat("step ", step, ": ", wrong.front());
    for (size_t i = 1; i < wrong.size(); ++i) text += "; " + wrong[i];
    return text;
  }
  return std::nullopt;
}

std::vector<Fingerprint> Fingerprints(std::span<const GlobalStep> steps) {
  std::vector<Fingerprint> all;
  for (size_t i = 0; i < steps.size(); ++i) {
    const GlobalStep& step = steps[i];
    const std::string where = StrCat("step ", i, ": ");
    all.push_back({where + "loss", std::bit_cast<uint64_t>(step.result.loss)});
    all.push_back({where + "gradient norm", std::bit_cast<uint64_t>(step.result.gradient_norm)});
    const size_t first = all.size();
    for (const auto* tensors : {&step.gradients, &step.state}) {
      for (const GlobalTensor& tensor : *tensors)
        all.push_back({where + tensor.name, Bits(tensor.values)});
    }
    // Layouts name their tensors in different orders.
    std::sort(all.begin() + static_cast<std::ptrdiff_t>(first), all.end(),
              [](const Fingerprint& a, const Fingerprint& b) { return a.name < b.name; });
  }
  return all;
}

}  // namespace cadmus
