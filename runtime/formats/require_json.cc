// SPDX-License-Identifier: Apache-2.0
#include "runtime/formats/require_json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace cadmus {
namespace {

using nlohmann::json;

// Follows the parser and keeps the keys of the objects that are open.
class KeyWatcher : public nlohmann::json_sax<json> {
 public:
  const std::string& problem() const { return problem_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool start_object(size_t) override {
    open_.emplace_back();
    return true;
  }
  bool end_object() override {
    open_.pop_back();
    return true;
  }
  bool key(string_t& name) override {
    if (open_.back().insert(name).second) return true;
    problem_ = StrCat("\"", name, "\" stands twice in one object; keep one");
    return false;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    const std::string_view text = error.what();  // "[json.exception…] parse error at line 1, …"
    const size_t start = text.find("] ");
    problem_ = text.substr(start == std::string_view::npos ? 0 : start + 2);
    return false;
  }

 private:
  std::vector<std::set<std::string>> open_;
  std::string problem_;
};

}  // namespace

void RequireJson(const std::filesystem::path& path, std::string_view text, Kind kind) {
  KeyWatcher watcher;
  if (json::sax_parse(text, &watcher)) return;
  throw Error(kind, StrCat(path.string(), ": ", watcher.problem()));
}

}  // namespace cadmus
