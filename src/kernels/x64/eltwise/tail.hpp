// From graph nodes to EltwisePrograms: the tail of a conv or matmul group, and whole elementwise groups.
#pragma once

#include <string>
#include <vector>

#include "kernels/x64/eltwise/program.hpp"
#include "tactic/tactic.hpp"

namespace slipway::eltwise {

/// How an operand's extents lie against those of the result.
enum class Lie : uint8_t { full, channel, scalar, other };
/// `channel_axis`: 1 for convolutions, the last axis for matrix products.
Lie lie_of(const Dims& operand, const Dims& result, int channel_axis);

struct TailOperand {
  size_t input = 0;  ///< of the node
  Lie lie = Lie::full;
  ElementType type = ElementType::f32;  ///< or bf16
};

/// A group taken apart: its main node and the program over the sum. Program operand 0 is the sum, operand 1 + i is operands[i].
struct Tail {
  const ir::Node* main = nullptr;
  EltwiseProgram program = tail();
  std::vector<TailOperand> operands;

  /// Of the program's operands, the sum's first.
  std::vector<ElementType> operand_types() const;
};

/// One value a channel as f32, `padded` with zeros to that many.
tactic::Packing pack_channels(ElementType from, int64_t channels, int64_t padded);

/// One node as append_node sees it.
struct NodeUse {
  const ir::Node& node;
  const std::vector<int>& values;               ///< program values of its tensor inputs; -1: constant or absent
  const std::vector<const Tensor*>& constants;  ///< one per input; nullptr: not a constant
  ElementType type = ElementType::f32;          ///< of its output
};

/// Appends the step(s) of one node (steps.cpp). Constants of one element become immediates. False: no such function of these
/// types.
bool append_node(EltwiseProgram& program, const NodeUse& use, uint8_t& result);

/// The main node and tail of a conv, conv_transpose, matmul or gemm, plain or group. `bias_input`: input 2 of the main node is
/// added first. On failure `reason` says why.
bool read_tail(const tactic::Query& query, int channel_axis, bool bias_input, Tail& out, std::string& reason);

}  // namespace slipway::eltwise
