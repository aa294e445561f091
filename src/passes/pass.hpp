// Pass: a named rewrite of a Graph. It looks at one node at a time and proposes a patch, or says that the node is not its
// business, or that it would be but for a reason, which explain prints. Only the driver applies patches.
//
// One pass per file, `Pass NAME();`, named in pipeline.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/patch.hpp"

namespace slipway::passes {

/// Who reads a value, for a whole Graph at once; a snapshot, out of date after the next patch.
class Uses {
 public:
  explicit Uses(const ir::Graph& graph);

  /// The reading nodes, one entry per use.
  std::span<const ir::NodeId> of(ir::ValueId v) const { return {users_.data() + first_[v], users_.data() + first_[v + 1]}; }
  bool is_output(ir::ValueId v) const { return output_[v]; }
  bool unused(ir::ValueId v) const { return !output_[v] && of(v).empty(); }
  /// Exactly one node reads the value, exactly once, and the graph does not give it out.
  bool single(ir::ValueId v) const { return !output_[v] && of(v).size() == 1; }

 private:
  std::vector<uint32_t> first_;
  std::vector<ir::NodeId> users_;
  std::vector<bool> output_;
};

/// What a whole run may still spend, so that a hostile model cannot make it fill the memory.
struct Budget {
  size_t constant_bytes = size_t{256} << 20;  ///< by which constants computed beforehand may exceed those they are made from
};

/// The node under the pass's eye and what may be asked about its surroundings. Pointers and references into the graph die with
/// the first node or constant that a Patch adds, `node` and `uses` do not: look first, then build.
struct Site {
  ir::Graph& graph;
  const Uses& uses;
  ir::NodeId id;
  const ir::Node node;  ///< a copy
  Budget& budget;
  const std::vector<uint32_t>& order;  ///< place of each node in topological order, by id; nodes added in this sweep have none

  /// Node `other` stands before this one in topological order.
  bool before(ir::NodeId other) const { return other < order.size() && order[other] < order[id]; }
  ir::ValueId out() const { return node.outputs[0]; }
  const ir::Fact& fact(ir::ValueId v) const { return graph.value(v).fact; }
  /// The fact of input i, nullptr when absent.
  const ir::Fact* input(size_t i) const {
    return i < node.inputs.size() && node.inputs[i] != ir::kNone ? &graph.value(node.inputs[i]).fact : nullptr;
  }
  /// The constant behind a value, nullptr when it is none.
  const Tensor* constant(ir::ValueId v) const {
    return v != ir::kNone && graph.value(v).is_constant() ? &graph.value(v).constant : nullptr;
  }
  const Tensor* constant_input(size_t i) const { return i < node.inputs.size() ? constant(node.inputs[i]) : nullptr; }
  /// The node that makes a value, nullptr for inputs and constants.
  const ir::Node* producer(ir::ValueId v) const {
    return v == ir::kNone || graph.value(v).producer == ir::kNone ? nullptr : &graph.node(graph.value(v).producer);
  }
  /// The producer when it is the named operator and nobody else reads the value, else nullptr.
  const ir::Node* own_producer(ir::ValueId v, std::string_view op) const {
    const ir::Node* p = producer(v);
    return p != nullptr && p->is(op) && uses.single(v) ? p : nullptr;
  }
};

/// What a pass says of a node.
class Answer {
 public:
  static Answer not_mine() { return Answer({}, std::nullopt); }
  static Answer declined(std::string why) { return Answer(std::move(why), std::nullopt); }
  Answer(ir::Patch patch) : patch_(std::move(patch)) {}

  bool has_patch() const { return patch_.has_value(); }
  ir::Patch take_patch() && { return std::move(*patch_); }
  /// Empty: not mine.
  const std::string& reason() const { return reason_; }

 private:
  Answer(std::string reason, std::optional<ir::Patch> patch) : reason_(std::move(reason)), patch_(std::move(patch)) {}
  std::string reason_;
  std::optional<ir::Patch> patch_;
};

struct Pass {
  std::string_view name;
  std::string_view doc;  ///< one line
  /// An error (a node that cannot be built, say) counts as declined; the half-made patch must have been dropped.
  Result<Answer> (*visit)(const Site& site);
  bool backward = false;  ///< visits consumers before producers
};

/// Shorthands for visit functions.
inline Answer not_mine() {
  return Answer::not_mine();
}
inline Answer declined(std::string why) {
  return Answer::declined(std::move(why));
}
/// The patch, completed: the node's first output is replaced by a value.
inline Answer replaced(const Site& site, ir::Patch patch, ir::ValueId by) {
  patch.replace(site.out(), by);
  return patch;
}
inline Answer replaced(const Site& site, ir::Patch patch, Tensor by) {
  const ir::ValueId constant = patch.constant(std::move(by));
  return replaced(site, std::move(patch), constant);
}
/// The patch that puts a value of the graph in the place of the node's first output.
inline Answer replaced(const Site& site, ir::ValueId by) {
  return replaced(site, ir::Patch(site.graph), by);
}

}  // namespace slipway::passes
