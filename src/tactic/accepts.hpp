// Which operators a tactic is asked about.
#pragma once

#include <algorithm>

#include "tactic/tactic.hpp"

namespace slipway::tactic {

/// Whether a tactic's list has the operator: "*" is any, "Name" one of ai.onnx or slipway's own, "domain::Name" one of another
/// domain. Operators of equal names in other domains may have other attributes.
inline bool lists(const Tactic& tactic, const ir::OpInfo& op) {
  const bool plain = op.domain.empty() || op.domain == "slipway";
  return std::any_of(tactic.ops.begin(), tactic.ops.end(), [&](std::string_view name) {
    if (name == "*") return true;
    if (plain) return name == op.name;
    return name.size() == op.domain.size() + 2 + op.name.size() && name.starts_with(op.domain) && name.ends_with(op.name) &&
           name.substr(op.domain.size(), 2) == "::";
  });
}

}  // namespace slipway::tactic
