#include "plan/choose.hpp"

#include <algorithm>

#include "tactic/accepts.hpp"

namespace slipway::plan {
namespace {

/// A reference costs more than anything that is not one.
constexpr double kReferenceCost = 1e12;
constexpr double kReorderBytesPerUs = 8000;
constexpr double kReorderStartUs = 1;

bool asked(const tactic::Tactic& tactic, const tactic::Query& query) {
  return tactic.isa <= query.machine.isa && tactic::lists(tactic, *query.node.op);
}

}  // namespace

double reorder_cost_us(const tactic::TensorDesc& desc) {
  return kReorderStartUs + 2.0 * static_cast<double>(byte_size(desc.type, desc.dims.count())) / kReorderBytesPerUs;
}

bool same_bytes(const Dims& dims, tactic::Format a, tactic::Format b) {
  if (a == b) return true;
  if (dims.rank() < 2) return true;
  const bool one_pixel = dims.count(2, dims.rank()) == 1;
  const bool whole_blocks = dims[1] % 16 == 0;
  if (a == tactic::Format::blocked16 || b == tactic::Format::blocked16) return one_pixel && whole_blocks;
  return one_pixel || dims[1] == 1;  // plain and channels_last
}

uint64_t choice_key(const tactic::Query& query) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  const auto add_byte = [&](uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3; };
  const auto add = [&](uint64_t word) {
    for (int i = 0; i < 8; ++i) add_byte(static_cast<uint8_t>(word >> (8 * i)));
  };
  const auto add_text = [&](std::string_view text) {
    for (const char c : text) add_byte(static_cast<uint8_t>(c));
    add_byte(0);
  };
  const auto add_tensor = [&](const tactic::TensorDesc& desc) {
    add_byte(static_cast<uint8_t>(desc.type));
    add_byte(static_cast<uint8_t>(desc.format));
    add(static_cast<uint64_t>(desc.dims.rank()));
    for (const int64_t extent : desc.dims) add(static_cast<uint64_t>(extent));
  };
  add_text(query.node.op->name);
  add_text(query.node.name);
  for (const tactic::TensorDesc& desc : query.inputs) add_tensor(desc);
  for (const tactic::TensorDesc& desc : query.outputs) add_tensor(desc);
  return hash;
}

bool has_tactic(const tactic::Query& query, const PlanOptions& options) {
  return !options.references_only &&
         std::any_of(options.tactic_list->begin(), options.tactic_list->end(), [&](const tactic::Tactic& tactic) {
           return tactic.name != "ref" && asked(tactic, query) && tactic.judge(query).accepted;
         });
}

const Choice::Candidate* Choice::winner() const {
  const auto at = std::find_if(candidates.begin(), candidates.end(), [](const Candidate& c) { return c.chosen; });
  return at == candidates.end() ? nullptr : &*at;
}

Chosen choose(const tactic::Query& query, const PlanOptions& options, Choice* record) {
  const Choice* made = nullptr;
  if (options.made != nullptr && !options.made->empty() && !options.references_only && options.forced_tactic.empty()) {
    const auto at = options.made->find(choice_key(query));
    if (at != options.made->end()) made = &at->second;
  }
  const std::string_view preferred = made != nullptr && made->winner() != nullptr ? made->winner()->tactic : std::string_view();
  if (record == nullptr && !preferred.empty()) {
    for (const tactic::Tactic& tactic : *options.tactic_list) {
      if (tactic.name != preferred || !asked(tactic, query)) continue;
      tactic::Verdict verdict = tactic.judge(query);
      if (verdict.accepted) return {&tactic, std::move(verdict)};
    }
  }
  Chosen best;
  double best_cost = 0;
  size_t best_row = 0;
  for (const tactic::Tactic& tactic : *options.tactic_list) {
    if (!asked(tactic, query)) continue;
    const bool is_reference = tactic.name == "ref";
    if (options.references_only && !is_reference) continue;
    tactic::Verdict verdict = tactic.judge(query);
    double cost = verdict.cost_us + (is_reference ? kReferenceCost : 0);
    for (size_t i = 0; verdict.accepted && i < query.inputs.size(); ++i) {
      const tactic::TensorDesc& in = query.inputs[i];
      if (!in.absent() && in.constant == nullptr && !same_bytes(in.dims, in.format, verdict.input(i)))
        cost += reorder_cost_us(in);
    }
    if (record != nullptr) {
      record->candidates.push_back(
          {std::string(tactic.name), verdict.accepted, is_reference ? 0 : cost, 0, verdict.reason, false});
    }
    if (verdict.accepted && (tactic.name == options.forced_tactic || tactic.name == preferred)) cost = -1;
    if (!verdict.accepted || (best.tactic != nullptr && cost >= best_cost)) continue;
    best = {&tactic, std::move(verdict)};
    best_cost = cost;
    if (record != nullptr) best_row = record->candidates.size() - 1;
  }
  if (record == nullptr) return best;
  record->key = choice_key(query);
  if (best.tactic != nullptr) record->candidates[best_row].chosen = true;
  for (Choice::Candidate& c : record->candidates) {
    for (const Choice::Candidate& earlier : made != nullptr ? made->candidates : std::vector<Choice::Candidate>()) {
      if (earlier.tactic == c.tactic) c.measured_us = earlier.measured_us;
    }
  }
  return best;
}

}  // namespace slipway::plan
