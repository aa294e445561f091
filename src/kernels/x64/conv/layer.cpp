#include "kernels/x64/conv/layer.hpp"

#include "ops/conv.hpp"
#include "ops/group.hpp"

namespace slipway::conv {

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group != nullptr && group->kind != "conv") return reason = "not a convolution", false;
  const Dims &x = query.inputs[0].dims, &w = query.inputs[1].dims;
  layer.type = query.inputs[0].type;
  if (layer.type != ElementType::f32 && layer.type != ElementType::bf16) return reason = "f32 and bf16 only", false;
  if (query.outputs[0].type != layer.type) return reason = "a result of another type", false;
  if (query.inputs[1].constant == nullptr) return reason = "the weights are not constant", false;
  if (x.rank() < 3 || x.rank() > 4) return reason = "one or two spatial axes only", false;
  if (x.count() == 0 || w.count() == 0) return reason = "empty", false;
  if (!eltwise::read_tail(query, 1, true, layer.tail, reason) || !packable(query, layer.tail, reason)) return false;
  const auto& attrs = layer.tail.main->attrs.as<ops::ConvAttrs>();
  const Result<ops::Window> window = attrs.window(x, w);
  if (!window) return reason = window.error().message, false;
  layer.window.w = window->back();
  if (window->size() == 2) {
    layer.window.h = window->front();
  } else {
    layer.window.h = {};
    layer.window.h.in = layer.window.h.out = 1;
  }
  layer.batch = x[0];
  layer.in_channels = x[1];
  layer.out_channels = w[0];
  layer.groups = attrs.group;
  return true;
}

}  // namespace slipway::conv
