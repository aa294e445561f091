// A Pad with zeros around the spatial axes goes into the padding of the convolution behind it.
#include "ops/pad.hpp"

#include <algorithm>

#include "ops/conv.hpp"
#include "passes/match.hpp"

namespace slipway::passes {
namespace {

/// Begins and ends of the spatial axes; nullopt when the Pad does anything else than add zeros there.
std::optional<std::vector<int64_t>> spatial_pads(const Site& site, const ir::Node& pad, size_t rank) {
  if (pad.attrs.as<ops::PadAttrs>().mode != "constant" || rank < 3) return std::nullopt;
  if (pad.inputs.size() > 2 && pad.inputs[2] != ir::kNone && scalar(site, pad.inputs[2]) != std::optional(0.0))
    return std::nullopt;
  const auto pads = ints(site, pad.inputs[1]);
  if (!pads || std::any_of(pads->begin(), pads->end(), [](int64_t p) { return p < 0; })) return std::nullopt;
  std::vector<int64_t> axes;
  if (pad.inputs.size() > 3 && pad.inputs[3] != ir::kNone) {
    const auto given = ints(site, pad.inputs[3]);
    if (!given) return std::nullopt;
    axes = *given;
  } else {
    for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (pads->size() != 2 * axes.size()) return std::nullopt;
  std::vector<int64_t> out(2 * (rank - 2), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = axes[i] < 0 ? axes[i] + static_cast<int64_t>(rank) : axes[i];
    const int64_t begin = (*pads)[i], end = (*pads)[i + axes.size()];
    if (axis < 2 && (begin != 0 || end != 0)) return std::nullopt;
    if (axis < 2) continue;
    out[static_cast<size_t>(axis) - 2] += begin;
    out[static_cast<size_t>(axis) - 2 + rank - 2] += end;
  }
  return out;
}

Result<Answer> visit(const Site& site) {
  if (!site.node.is("Conv") || !has_rank(*site.input(0))) return not_mine();
  const ir::Node* pad = site.own_producer(site.node.inputs[0], "Pad");
  if (pad == nullptr) return not_mine();
  ops::ConvAttrs attrs = site.node.attrs.as<ops::ConvAttrs>();
  const bool computed = attrs.auto_pad == "SAME_UPPER" || attrs.auto_pad == "SAME_LOWER";
  if (computed) return declined("the convolution computes its own padding");
  const auto more = spatial_pads(site, *pad, site.input(0)->shape->size());
  if (!more) return declined("the padding is not of zeros around the spatial axes");
  if (attrs.auto_pad == "VALID" || attrs.pads.empty()) attrs.pads.assign(more->size(), 0);
  if (attrs.pads.size() != more->size()) return not_mine();
  for (size_t i = 0; i < more->size(); ++i) attrs.pads[i] += (*more)[i];
  attrs.auto_pad = "NOTSET";
  std::vector<ir::ValueId> inputs = site.node.inputs;
  inputs[0] = pad->inputs[0];
  ir::Patch patch(site.graph);
  const ir::ValueId out = TRY(patch.add(site.node.op, attrs, std::move(inputs)));
  return replaced(site, std::move(patch), out);
}

}  // namespace

Pass padding() {
  return {"padding", "zeros around an image go into the padding of its convolution", visit};
}

}  // namespace slipway::passes
