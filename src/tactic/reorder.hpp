// The step a plan puts in when a value stands in another format than its reader wants. Not an operator of any Graph.
#pragma once

#include "tactic/tactic.hpp"

namespace slipway::tactic {

inline constexpr std::string_view kReorderOp = "Reorder";

struct ReorderAttrs {
  Format from = Format::plain, to = Format::plain;
  bool operator==(const ReorderAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("from", &ReorderAttrs::from), ir::field("to", &ReorderAttrs::to)};
  }
};

/// A node that stands for a reorder in queries.
const ir::OpInfo* reorder_op();

}  // namespace slipway::tactic
