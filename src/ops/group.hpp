// Group: a fused group, a node whose body is a Graph of plain nodes. Passes make it; tactics accept it or the plan splits it.
#pragma once

#include "ops/op.hpp"

namespace slipway::ops {

/// The body's inputs are the node's inputs in order (weights included), its outputs the node's outputs.
struct GroupAttrs {
  std::string kind;  ///< what the pass saw: "conv", "matmul", "eltwise", "layer_norm", "attention", ...
  ir::GraphRef body;
  bool operator==(const GroupAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("kind", &GroupAttrs::kind), field("body", &GroupAttrs::body, true)}; }
};

inline constexpr std::string_view kInternalDomain = "slipway";

/// The group's attributes when the node is a group, else nullptr.
inline const GroupAttrs* group_of(const ir::Node& node) {
  return node.op != nullptr && node.op->has(ir::OpInfo::kGroup) ? node.attrs.if_is<GroupAttrs>() : nullptr;
}

}  // namespace slipway::ops
