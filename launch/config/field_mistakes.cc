// SPDX-License-Identifier: Apache-2.0
#include "launch/config/field_mistakes.h"

#include <google/protobuf/descriptor.h>

#include <vector>

#include "kernels/base/str_cat.h"
#include "launch/config/did_you_mean.h"

namespace cadmus {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

std::string Join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += StrCat(out.empty() ? "" : ", ", name);
  return out;
}

std::vector<std::string> ValueNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) names.push_back(type.value(i)->name());
  return names;
}

std::string ExpectedValue(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return "an integer (int32)";
    case FieldDescriptor::CPPTYPE_INT64:
      return "an integer (int64)";
    case FieldDescriptor::CPPTYPE_UINT32:
      return "an integer from 0 (uint32)";
    case FieldDescriptor::CPPTYPE_UINT64:
      return "an integer from 0 (uint64)";
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "a number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return StrCat("one of ", Join(ValueNames(*field.enum_type())));
    case FieldDescriptor::CPPTYPE_STRING:
      return "a string in quotes";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return StrCat("fields of ", field.message_type()->full_name(), " in { }");
  }
  return field.cpp_type_name();
}

}  // namespace

std::string NoSuchField(const Descriptor& type, std::string_view name) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  std::string out = StrCat(type.full_name(), " has no field \"", name, "\"");
  if (name == "include") {
    return out + "; write include: \"file\" at the top level, on a line of its own";
  }
  if (const auto nearest = DidYouMean(name, names)) {
    return StrCat(out, "; did you mean \"", *nearest, "\"?");
  }
  return StrCat(out, "; its fields are ", names.empty() ? "none" : Join(names));
}

std::string WrongValue(const FieldDescriptor& field, std::string_view got) {
  std::string out =
      StrCat("field \"", field.name(), "\" of ", field.containing_type()->full_name(), " expects ",
             ExpectedValue(field), ", got ", got.empty() ? "nothing" : got);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    if (const auto nearest = DidYouMean(got, ValueNames(*field.enum_type()))) {
      out += StrCat("; did you mean \"", *nearest, "\"?");
    }
  }
  return out;
}

}  // namespace cadmus
