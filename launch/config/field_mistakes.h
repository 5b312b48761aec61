// SPDX-License-Identifier: Apache-2.0
// What is said about a field that does not exist and about a value that does not fit its field.
#pragma once

#include <string>
#include <string_view>

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
}  // namespace google::protobuf

namespace cadmus {

// `cadmus.OptimizerConfig has no field "lrr"; did you mean "lr"?`, or the list of its fields if
// nothing is near.
std::string NoSuchField(const google::protobuf::Descriptor& type, std::string_view name);

// `field "lr" of cadmus.OptimizerConfig expects a number, got abc`.
std::string WrongValue(const google::protobuf::FieldDescriptor& field, std::string_view got);

}  // namespace cadmus
