// Convolutions and matrix products take the chain of elementwise nodes behind them into their epilogue: bias, residual,
// activation.
#include "passes/fuse.hpp"
#include "passes/linear.hpp"

namespace slipway::passes {
namespace {

/// A longer chain would no longer be an epilogue.
constexpr size_t kMaxTail = 12;

/// The other operand may be read while the result is stored: one element, constant per channel, or a value of the same shape.
bool operand_fits(const Site& site, ir::ValueId operand, const ir::Fact& out, int channel_axis) {
  if (scalar(site, operand)) return site.fact(operand).shape->size() <= out.shape->size();
  if (const Tensor* constant = site.constant(operand)) {
    const size_t rank = out.shape->size();
    const auto at = static_cast<std::ptrdiff_t>(rank) + channel_axis;
    const ir::Dim channels = at < 0 ? ir::Dim::unknown() : (*out.shape)[static_cast<size_t>(at)];
    if (channels.known() && per_channel(*constant, channel_axis, channels.value(), rank)) return true;
  }
  return may_be_same_shape(site.fact(operand), out);
}

/// The other product will be ready later than this one: it takes the sum, so that this one need not wait.
bool later_product_takes(const Site& site, ir::ValueId operand) {
  const ir::NodeId producer = site.graph.value(operand).producer;
  if (producer == ir::kNone || !site.uses.single(operand) || site.before(producer)) return false;
  return producer < site.order.size() && !main_kind(site, site.graph.node(producer)).empty();
}

Result<Answer> visit(const Site& site) {
  const std::string_view kind = main_kind(site, site.node);
  if (kind.empty() || !has_rank(site.fact(site.out()))) return not_mine();
  const ir::Fact out = site.fact(site.out());
  const bool spatial = kind == "conv" || kind == "conv_transpose";
  const int channel_axis = spatial ? 1 - static_cast<int>(out.shape->size()) : -1;

  std::vector<ir::NodeId> tail;
  ir::ValueId value = site.out();
  while (tail.size() < kMaxTail && site.uses.single(value)) {
    const ir::NodeId next = site.uses.of(value)[0];
    const ir::Node& node = site.graph.node(next);
    if (is_tail_unary(site, node) && node.inputs[0] == value) {
      tail.push_back(next);
    } else if (is_tail_binary(site, node)) {
      const ir::ValueId other = node.inputs[node.inputs[0] == value ? 1 : 0];
      if (!operand_fits(site, other, out, channel_axis) || !may_be_same_shape(site.fact(node.outputs[0]), out)) break;
      if (later_product_takes(site, other)) break;
      tail.push_back(next);
    } else {
      break;
    }
    value = node.outputs[0];
  }
  if (tail.empty()) return not_mine();

  GroupBuilder group(site.graph, GroupBuilder::Operands::one_input_per_use);
  group.add(site.id, GroupBuilder::Role::main);
  for (ir::NodeId id : tail) group.add(id, GroupBuilder::Role::elementwise);
  ir::Patch patch(site.graph);
  const ir::ValueId result = TRY(group.finish(patch, std::string(kind), site.node.name, value));
  patch.replace(value, result);
  return Answer(std::move(patch));
}

}  // namespace

Pass tail() {
  return {"tail", "convolutions and products take bias, residual and activation along", visit};
}

}  // namespace slipway::passes
