// One use of an operator or group, run by one tactic and compared with the reference.
//
// Every buffer the kernel sees lies between guard bytes, starts off the 64-byte alignment (element-aligned only, the arena's
// alignment for scratch), and outputs and scratch are poisoned before the run. A kernel other than the reference must not
// allocate.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ops/op.hpp"
#include "tactic/tactic.hpp"

namespace slipway::conformance {

/// A graph of one node, its inputs' values (constants stand in the graph), and the reference's answers.
struct Subject {
  std::string label;
  ir::Graph graph;
  ir::NodeId node = 0;
  std::vector<ir::Value> inputs;    ///< one per node input
  std::vector<ir::Value> expected;  ///< one per node output
  ops::Tolerance tolerance = ops::Tolerance::exact;
};

/// The sample as a Subject; an error when the reference refuses it.
Result<Subject> subject_of(const ops::Op& op, const ops::Sample& sample);
/// The sample with bf16 in the place of f32 in its data: inputs that must be there or have the output's type; nothing when it has
/// none or the operator does not take it.
std::optional<ops::Sample> in_bf16(const ops::Op& op, const ops::Sample& sample);
/// Any node with facts inferred; constants of the graph become constant inputs.
Result<Subject> subject_of_node(const ir::Graph& graph, ir::NodeId node, std::vector<ir::Value> inputs, ops::Tolerance tolerance,
                                std::string label);

enum class Outcome : uint8_t { passed, refused, failed };
struct Report {
  Outcome outcome = Outcome::refused;
  std::string text;  ///< the refusal's reason, or what differs
};

/// Asks, builds and runs the tactic with `threads` threads under `isa`; inputs of rank 3 and more stand in format `standing`.
Report check(const Subject& subject, const tactic::Tactic& tactic, Isa isa, int threads, tactic::Format standing);

/// Allocations made by this thread so far (global operator new is counted in this program).
size_t allocations();

}  // namespace slipway::conformance
