// SPDX-License-Identifier: Apache-2.0
#include "launch/config/apply_override.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "launch/config/field_mistakes.h"
#include "launch/config/parse_text.h"

namespace cadmus {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

class IgnoreErrors : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n") + 1 - begin);
}

// Cuts at the commas that stand outside quotes, braces and brackets.
std::vector<std::string_view> Elements(std::string_view list) {
  std::vector<std::string_view> elements;
  size_t begin = 0;
  int depth = 0;
  char quote = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    if (quote != 0) {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == ',' && depth == 0) {
      elements.push_back(Trimmed(list.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  elements.push_back(Trimmed(list.substr(begin)));
  return elements;
}

class Override {
 public:
  explicit Override(std::string_view text) : source_(StrCat("--set ", text)) {
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) Fail("write it as name=value");
    path_ = text.substr(0, equals);
    value_ = text.substr(equals + 1);
  }

  void Apply(Message& root) const {
    Message* message = &root;
    std::string_view rest = path_;
    while (true) {
      const size_t dot = rest.find('.');
      const FieldDescriptor& field = FieldOf(*message, rest.substr(0, dot));
      if (dot == std::string_view::npos) return Assign(*message, field);
      rest.remove_prefix(dot + 1);
      if (field.is_repeated()) {
        Fail(StrCat("\"", field.name(), "\" is a list; set it whole: ", field.name(), "=[…]"));
      }
      if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
        Fail(StrCat("\"", field.name(), "\" of ", field.containing_type()->full_name(),
                    " has no fields of its own"));
      }
      message = message->GetReflection()->MutableMessage(message, &field);
    }
  }

 private:
  [[noreturn]] void Fail(std::string_view why) const {
    throw Error(Kind::kConfig, StrCat(source_, ": ", why));
  }

  const FieldDescriptor& FieldOf(const Message& message, std::string_view name) const {
    const auto* field = message.GetDescriptor()->FindFieldByName(std::string(name));
    if (field == nullptr) Fail(NoSuchField(*message.GetDescriptor(), name));
    return *field;
  }

  void Assign(Message& message, const FieldDescriptor& field) const {
    const std::string_view list = Trimmed(value_);
    if (!field.is_repeated() || !list.starts_with('[')) return AssignOne(message, field, value_);
    if (!list.ends_with(']')) Fail("the list lacks its closing ]");
    message.GetReflection()->ClearField(&message, &field);
    const std::string_view inside = Trimmed(list.substr(1, list.size() - 2));
    if (inside.empty()) return;
    for (std::string_view element : Elements(inside)) AssignOne(message, field, element);
  }

  // Sets the field, or appends to it if it is a list.
  void AssignOne(Message& message, const FieldDescriptor& field, std::string_view value) const {
    const Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const std::string_view braces = Trimmed(value);
      if (braces.size() < 2 || !braces.starts_with('{') || !braces.ends_with('}')) {
        Fail(WrongValue(field, value));
      }
      Message* part = field.is_repeated() ? reflection.AddMessage(&message, &field)
                                          : reflection.MutableMessage(&message, &field);
      // The brace becomes a blank, so that columns count from the start of the value.
      ParseText(source_, StrCat(" ", braces.substr(1, braces.size() - 2)), *part);
      return;
    }
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && !value.starts_with('"') &&
        !value.starts_with('\'')) {
      if (field.is_repeated()) {
        reflection.AddString(&message, &field, std::string(value));
      } else {
        reflection.SetString(&message, &field, std::string(value));
      }
      return;
    }
    IgnoreErrors ignore;
    TextFormat::Parser parser;
    parser.RecordErrorsTo(&ignore);
    if (!parser.ParseFieldValueFromString(std::string(value), &field, &message)) {
      Fail(WrongValue(field, value));
    }
  }

  std::string source_;
  std::string_view path_;
  std::string_view value_;
};

}  // namespace

void ApplyOverride(std::string_view override, Message& out) { Override(override).Apply(out); }

void ApplyOverrides(const std::vector<std::string>& overrides, const AllowedOverrides& which,
                    google::protobuf::Message& out) {
  for (const std::string& override : overrides) {
    if (std::none_of(which.allowed.begin(), which.allowed.end(),
                     [&](std::string_view prefix) { return override.starts_with(prefix); })) {
      throw Error(Kind::kConfig, StrCat("--set ", override, ": ", which.rule));
    }
    ApplyOverride(override, out);
  }
}

}  // namespace cadmus
