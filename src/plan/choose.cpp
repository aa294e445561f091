#include "plan/choose.hpp"

#include <algorithm>

namespace slipway::plan {
namespace {

/// A reference costs more than anything that is not one.
constexpr double kReferenceCost = 1e12;
constexpr double kReorderBytesPerUs = 8000;
constexpr double kReorderStartUs = 1;

bool asked(const tactic::Tactic& tactic, const tactic::Query& query) {
  if (tactic.isa > query.machine.isa) return false;
  return std::any_of(tactic.ops.begin(), tactic.ops.end(),
                     [&](std::string_view op) { return op == "*" || op == query.node.op->name; });
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

Chosen choose(const tactic::Query& query, const PlanOptions& options, Choice* record) {
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
    if (verdict.accepted && tactic.name == options.forced_tactic) cost = -1;
    if (record != nullptr) {
      record->candidates.push_back({tactic.name, verdict.accepted, is_reference ? 0 : cost, verdict.reason, false});
    }
    if (!verdict.accepted || (best.tactic != nullptr && cost >= best_cost)) continue;
    best = {&tactic, std::move(verdict)};
    best_cost = cost;
    if (record != nullptr) best_row = record->candidates.size() - 1;
  }
  if (record != nullptr && best.tactic != nullptr) record->candidates[best_row].chosen = true;
  return best;
}

}  // namespace slipway::plan
