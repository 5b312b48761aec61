// SPDX-License-Identifier: Apache-2.0
// KernelTable: which function of a back end computes an op. The argument type is the key; a back
// end fills its table in one explicit list (register.cc). A duplicate throws; a missing entry is an
// Error that names op and device.
//
//   table.Add<RmsNormForwardArgs>(&cpu::RmsNormForward);
//   table.AddPlanner<GemmSpec, GemmPlan>(&cpu::MakeGemmPlan);
#pragma once

#include <memory>
#include <string>
#include <typeindex>
#include <unordered_map>

#include "kernels/base/error.h"

namespace cadmus {

class Device;
class Stream;

class KernelTable {
 public:
  explicit KernelTable(std::string device_name) : device_name_(std::move(device_name)) {}

  template <class Args>
  using Kernel = void (*)(const Args&, Stream&);
  template <class Spec, class Plan>
  using Planner = std::shared_ptr<const Plan> (*)(const Spec&, Device&);

  template <class Args>
  void Add(Kernel<Args> kernel) {
    AddEntry(typeid(Args), Args::kName, reinterpret_cast<Entry>(kernel));
  }
  template <class Spec, class Plan>
  void AddPlanner(Planner<Spec, Plan> planner) {
    AddEntry(typeid(Spec), Spec::kName, reinterpret_cast<Entry>(planner));
  }

  template <class Args>
  void Run(const Args& args, Stream& stream) const {
    reinterpret_cast<Kernel<Args>>(Find(typeid(Args), Args::kName))(args, stream);
  }
  // Plans are shared by the modules and argument structs that use them; they are immutable.
  template <class Plan, class Spec>
  std::shared_ptr<const Plan> MakePlan(const Spec& spec, Device& device) const {
    return reinterpret_cast<Planner<Spec, Plan>>(Find(typeid(Spec), Spec::kName))(spec, device);
  }

 private:
  using Entry = void (*)();
  void AddEntry(std::type_index key, const char* op, Entry entry);
  Entry Find(std::type_index key, const char* op) const;

  std::string device_name_;
  std::unordered_map<std::type_index, Entry> entries_;
};

}  // namespace cadmus
