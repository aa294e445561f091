// Group: a fused group, a node whose body is a Graph of plain nodes. Passes make it; tactics accept it or the plan splits it.
//
// Every body, whatever its kind:
//   - Its inputs are the node's inputs in order, its outputs the node's outputs; none is absent.
//   - Nodes stand in topological order by id, without holes: node 0 first, the last node gives output 0.
//   - A constant of one element (a clip bound, a factor) and integer parameters (shapes, axes, split sizes) are constants of the
//     body; every other tensor, weights and biases included, is an input (the outer value is the constant).
//   - It means what its nodes mean for any extents that fit, so a group is right even where no tactic can take it. Facts in the
//   body
//     are those of the symbolic graph; extents of one plan are known for the node's inputs and outputs only.
//
// The kinds:
//   conv, conv_transpose, matmul, gemm
//       Node 0 is the Conv, ConvTranspose, MatMul or Gemm; its operands are inputs 0, 1 (and 2: bias or C), one input each even
//       when two are the same value. Then the tail: nodes 1, 2, ... in one chain. Each reads the value before it exactly once; a
//       two-operand node (Add Sub Mul Div Max Min) has as other operand the next input or a one-element constant, on either side.
//       Every value of the chain has the shape of node 0's output. Other operands that are inputs are: per channel (a constant:
//       conv and conv_transpose [C,1,...] or [1,C,1,...]; matmul and gemm [N] or [1,...,N]), or of node 0's output shape (a
//       residual; possibly unproven while extents are symbols, so a tactic checks). One-operand tail nodes: Relu LeakyRelu Clip
//       Sigmoid Tanh HardSigmoid HardSwish Swish Gelu Elu.
//   eltwise
//       Two or more f32 elementwise nodes, one output, at most 8 inputs. A DAG: values inside may be used more than once.
//       Broadcasting as in ONNX; every node may be computed once per element of the output with all inputs broadcast to its
//       shape.
//   squeeze_excite
//       GlobalAveragePool(x) -> Conv 1x1 -> one tail operator -> Conv 1x1 -> one tail operator -> Mul(x, gate) [-> Add(x, that)].
//       Inputs: x, W1, [B1], W2, [B2] (a bias where its Conv has three inputs).
//   attention
//       Node 0 is a Split of input 0 along its last axis into equal parts for Q, K and V, [batch, length, heads * size] each;
//       node 1 is an Attention of those parts. Input 1, when there is one, is its mask. (Three separate tensors need no group:
//       they stand as a plain Attention node.)
#pragma once

#include "ops/op.hpp"

namespace slipway::ops {

struct GroupAttrs {
  std::string kind;  ///< one of the kinds above
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
