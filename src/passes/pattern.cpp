#include "passes/pattern.hpp"

#include <algorithm>

namespace slipway::passes {

struct Pattern::Tree {
  enum class Kind { any, constant, number, op } kind = Kind::any;
  int slot = -1;
  double number = 0;
  std::string_view op;
  std::vector<Pattern> inputs;
};

Pattern Pattern::any(int slot) {
  return Pattern(std::make_shared<Tree>(Tree{Tree::Kind::any, slot, 0, {}, {}}));
}
Pattern Pattern::constant(int slot) {
  return Pattern(std::make_shared<Tree>(Tree{Tree::Kind::constant, slot, 0, {}, {}}));
}
Pattern Pattern::number(double value) {
  return Pattern(std::make_shared<Tree>(Tree{Tree::Kind::number, -1, value, {}, {}}));
}
Pattern Pattern::op(std::string_view name, std::vector<Pattern> inputs) {
  return Pattern(std::make_shared<Tree>(Tree{Tree::Kind::op, -1, 0, name, std::move(inputs)}));
}
Pattern Pattern::as(int slot) const {
  Tree copy = *tree_;
  copy.slot = slot;
  return Pattern(std::make_shared<Tree>(std::move(copy)));
}

bool Pattern::operands_fit(const Tree& tree, const Site& site, ir::ValueId a, ir::ValueId b, Match& match) {
  return fits(*tree.inputs[0].tree_, site, a, match) && fits(*tree.inputs[1].tree_, site, b, match);
}

bool Pattern::fits(const Tree& tree, const Site& site, ir::ValueId value, Match& match) {
  if (tree.slot >= 0) {
    ir::ValueId& slot = match.slots[static_cast<size_t>(tree.slot)];
    if (slot != ir::kNone) return slot == value;
  }
  if (tree.kind == Tree::Kind::number && !is_scalar(site, value, tree.number)) return false;
  if (tree.kind == Tree::Kind::constant && site.constant(value) == nullptr) return false;
  if (tree.kind == Tree::Kind::op) {
    const ir::Node* node = site.producer(value);
    if (node == nullptr || !node->is(tree.op) || node->outputs[0] != value || node->inputs.size() < tree.inputs.size())
      return false;
    match.nodes.push_back(site.graph.value(value).producer);
    const Match before = match;
    if (tree.inputs.size() == 2) {
      if (!operands_fit(tree, site, node->inputs[0], node->inputs[1], match)) {
        match = before;
        if (!node->op->has(ir::OpInfo::kCommutative)) return false;
        if (!operands_fit(tree, site, node->inputs[1], node->inputs[0], match)) return false;
      }
    } else {
      for (size_t i = 0; i < tree.inputs.size(); ++i) {
        if (!fits(*tree.inputs[i].tree_, site, node->inputs[i], match)) return false;
      }
    }
  }
  if (tree.slot >= 0) match.slots[static_cast<size_t>(tree.slot)] = value;
  return true;
}

std::optional<Match> Pattern::find(const Site& site, ir::ValueId value) const {
  Match match;
  return fits(*tree_, site, value, match) ? std::optional(std::move(match)) : std::nullopt;
}

bool closed(const Match& match, const Site& site) {
  for (size_t i = 1; i < match.nodes.size(); ++i) {
    for (ir::ValueId v : site.graph.node(match.nodes[i]).outputs) {
      if (v == ir::kNone) continue;
      if (site.uses.is_output(v)) return false;
      for (ir::NodeId user : site.uses.of(v)) {
        if (std::find(match.nodes.begin(), match.nodes.end(), user) == match.nodes.end()) return false;
      }
    }
  }
  return true;
}

std::optional<Match> find_first(std::span<const Pattern> ways, const Site& site, ir::ValueId value) {
  for (const Pattern& way : ways) {
    std::optional<Match> match = way.find(site, value);
    if (match && closed(*match, site)) return match;
  }
  return std::nullopt;
}

}  // namespace slipway::passes
