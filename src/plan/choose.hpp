// Tactic choice for one node: every tactic is asked, the cheapest with its reorders wins, list order breaks ties.
#pragma once

#include "plan/plan.hpp"

namespace slipway::plan {

struct Chosen {
  const tactic::Tactic* tactic = nullptr;
  tactic::Verdict verdict;
};

/// What a choice depends on: node name, operator, element types, extents and formats.
uint64_t choice_key(const tactic::Query& query);
/// Does a tactic that is not the reference accept? Cheaper than choosing.
bool has_tactic(const tactic::Query& query, const PlanOptions& options);
/// The estimated time of changing a tensor's format.
double reorder_cost_us(const tactic::TensorDesc& desc);
/// True when the two formats are the same bytes for these extents (one pixel, whole channel blocks).
bool same_bytes(const Dims& dims, tactic::Format a, tactic::Format b);

/// `chosen.tactic` is nullptr when nothing accepts. With a `record` every tactic is asked and stands in it.
Chosen choose(const tactic::Query& query, const PlanOptions& options, Choice* record);

}  // namespace slipway::plan
