// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/kernel_table.h"

namespace cadmus {

void KernelTable::AddEntry(std::type_index key, const char* op, Entry entry) {
  if (!entries_.emplace(key, entry).second) {
    throw Error(Kind::kInternal, StrCat(op, " is registered twice for ", device_name_,
                                        ": remove one line of its register.cc"));
  }
}

KernelTable::Entry KernelTable::Find(std::type_index key, const char* op) const {
  const auto it = entries_.find(key);
  if (it == entries_.end()) {
    throw Error(Kind::kInternal, StrCat(op, " has no kernel for ", device_name_,
                                        ": add it to the list in its register.cc"));
  }
  return it->second;
}

}  // namespace cadmus
