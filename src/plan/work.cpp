#include "plan/work.hpp"

#include <algorithm>

#include "ops/group.hpp"

namespace slipway::plan {
namespace {

using tactic::TensorDesc;

double product_flops(const ir::Node& node, const TensorDesc& a, const TensorDesc& b, const TensorDesc& out) {
  const auto outputs = static_cast<double>(out.dims.count());
  if (b.dims.rank() < 2 || a.dims.rank() < 1) return outputs;
  if (node.is("Conv")) return 2 * outputs * static_cast<double>(b.dims.count(1, b.dims.rank()));
  if (node.is("ConvTranspose"))
    return 2 * static_cast<double>(a.dims.count()) * static_cast<double>(b.dims.count(1, b.dims.rank()));
  if (node.is("MatMul")) return 2 * outputs * static_cast<double>(a.dims.back());
  if (node.is("Gemm"))
    return 2 * outputs * static_cast<double>(a.dims.count()) / static_cast<double>(std::max<int64_t>(1, out.dims[0]));
  return outputs;
}

double bytes_of(const TensorDesc& d) {
  return static_cast<double>(byte_size(d.type, d.absent() ? 0 : d.dims.count()));
}

/// Reads no more of its first input than it writes.
bool takes_part(const ir::Node& node) {
  return node.is("Gather") || node.is("GatherND") || node.is("GatherElements") || node.is("Slice");
}

}  // namespace

void describe_work(const tactic::Query& query, Step& step) {
  double written = 0;
  for (const TensorDesc& d : query.outputs) written += bytes_of(d);
  step.bytes = written;
  for (size_t i = 0; i < query.inputs.size(); ++i) {
    const TensorDesc& d = query.inputs[i];
    const double read = i == 0 && takes_part(query.node) ? std::min(bytes_of(d), written) : bytes_of(d);
    step.bytes += read;
    if (d.constant != nullptr) step.constant_bytes += read;
  }
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group == nullptr) {
    if (query.inputs.size() >= 2) step.flops = product_flops(query.node, query.inputs[0], query.inputs[1], query.outputs[0]);
    return;
  }
  const ir::Graph& body = *group->body;
  const auto find = [&](ir::ValueId v) -> const TensorDesc* {
    for (size_t i = 0; i < body.inputs().size(); ++i) {
      if (body.inputs()[i] == v) return &query.inputs[i];
    }
    return nullptr;
  };
  for (ir::NodeId id = 0; id < body.node_slots(); ++id) {
    const ir::Node& node = body.node(id);
    if (!node.alive()) continue;
    const TensorDesc* a = node.inputs.size() < 2 ? nullptr : find(node.inputs[0]);
    const TensorDesc* b = node.inputs.size() < 2 || node.inputs[1] == ir::kNone ? nullptr : find(node.inputs[1]);
    step.flops += a != nullptr && b != nullptr ? product_flops(node, *a, *b, query.outputs[0])
                                               : static_cast<double>(query.outputs[0].dims.count());
  }
}

}  // namespace slipway::plan
