// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/timing/result_line.h"

#include <nlohmann/json.hpp>

namespace cadmus::timing {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const Summary& summary) {
  return {{"median", summary.median}, {"min", summary.min}, {"max", summary.max}};
}

Json ToJson(const Block& block) {
  Json json = {{"side", block.side == Side::kA ? "A" : "B"},
               {"calls", block.calls},
               {"seconds_per_call", block.seconds_per_call}};
  if (block.reading) {
    json["watts"] = block.reading->watts;
    json["sm_mhz"] = block.reading->sm_mhz;
    json["celsius"] = block.reading->celsius;
    json["throttle_reasons"] = block.reading->throttle_reasons;
  }
  return json;
}

Json ToJson(const std::vector<Block>& blocks) {
  Json json = Json::array();
  for (const Block& block : blocks) json.push_back(ToJson(block));
  return json;
}

}  // namespace

std::string ResultLine(const std::string& case_name, const std::string& a, const std::string* b,
                       const Measurement& measurement, const Findings& findings) {
  const Alternation& control = measurement.control;
  Json line = {{"case", case_name},
               {"a", a},
               {"b", b == nullptr ? Json() : Json(*b)},
               {"trusted", measurement.trusted},
               {"control_ratio", control.ratio},
               {"control_pair_ratios", ToJson(control.pair_ratios)}};
  const Alternation& shown = measurement.contest ? *measurement.contest : control;
  line["a_seconds"] = ToJson(shown.a);
  if (measurement.contest) {
    line["b_seconds"] = ToJson(shown.b);
    line["ratio"] = shown.ratio;
    line["pair_ratios"] = ToJson(shown.pair_ratios);
  }
  for (const auto& [name, value] : findings.numbers) line[name] = value;
  for (const auto& [name, value] : findings.words) line[name] = value;
  line["control_blocks"] = ToJson(control.blocks);
  if (measurement.contest) line["blocks"] = ToJson(shown.blocks);
  return line.dump();
}

}  // namespace cadmus::timing
