// Builds fused groups as ops/group.hpp describes them, and knows which operators may stand in a tail.
#pragma once

#include <map>

#include "passes/match.hpp"

namespace slipway::passes {

/// Copies nodes into a body; operands from outside become inputs of the group or, when small enough, constants of the body.
class GroupBuilder {
 public:
  enum class Operands { one_input_per_use, one_input_per_value };
  GroupBuilder(const ir::Graph& graph, Operands operands);

  /// Nodes must come in topological order. Weights and other data of a main node are inputs even when they have one element only.
  enum class Role { main, elementwise };
  void add(ir::NodeId id, Role role);
  size_t input_count() const { return inputs_.size(); }
  /// Adds the group to the patch; `result` (made by a node added before) is its output.
  Result<ir::ValueId> finish(ir::Patch& patch, std::string kind, std::string name, ir::ValueId result);

 private:
  ir::ValueId operand(ir::ValueId outer, Role role);

  const ir::Graph& graph_;
  Operands operands_;
  ir::Graph body_;
  std::vector<ir::ValueId> inputs_;            ///< outer values, by input of the group
  std::map<ir::ValueId, ir::ValueId> inside_;  ///< outer value -> body value
};

/// f32 or bf16, elementwise, and cheap enough to be computed where a kernel stores its result.
bool is_tail_unary(const Site& site, const ir::Node& node);
bool is_tail_binary(const Site& site, const ir::Node& node);
/// f32 or bf16 elementwise operators that the eltwise kind holds.
bool is_eltwise(const Site& site, const ir::Node& node);
/// Conv, ConvTranspose, MatMul or Gemm in f32 or bf16: what a tail hangs on. Its kind, or empty.
std::string_view main_kind(const Site& site, const ir::Node& node);

}  // namespace slipway::passes
