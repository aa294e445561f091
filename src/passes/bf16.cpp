// Products in bfloat16, and everything between them, so that no value changes its type on the way from one to the next. What
// comes after the last product stays f32, as do statistics, exponentials and sums inside of operators: their references widen.
#include <algorithm>

#include "base/low_precision.hpp"
#include "ops/cast.hpp"
#include "ops/registry.hpp"
#include "passes/match.hpp"

namespace slipway::passes {
namespace {

/// What bfloat16 makes faster by itself.
constexpr std::string_view kProducts[] = {"Conv", "MatMul", "Gemm"};
/// What takes and gives bfloat16 where it stands between products.
constexpr std::string_view kBetween[] = {"Relu",
                                         "LeakyRelu",
                                         "Clip",
                                         "Sigmoid",
                                         "Tanh",
                                         "Elu",
                                         "HardSigmoid",
                                         "HardSwish",
                                         "Swish",
                                         "Gelu",
                                         "Mish",
                                         "Add",
                                         "Sub",
                                         "Mul",
                                         "Div",
                                         "Max",
                                         "Min",
                                         "MaxPool",
                                         "AveragePool",
                                         "GlobalAveragePool",
                                         "Concat",
                                         "Split",
                                         "Slice",
                                         "Pad",
                                         "Transpose",
                                         "Reshape",
                                         "Flatten",
                                         "Squeeze",
                                         "Unsqueeze",
                                         "DepthToSpace",
                                         "SpaceToDepth",
                                         "Softmax",
                                         "LayerNormalization",
                                         "Attention",
                                         "Resize"};
/// Readers looked at before a product is despaired of.
constexpr size_t kMostReaders = 400;

template <size_t N>
bool one_of(const ir::Node& node, const std::string_view (&names)[N]) {
  return node.op != nullptr && node.op->domain.empty() &&
         std::find(std::begin(names), std::end(names), node.op->name) != std::end(names);
}

/// A transposed convolution to few channels only spreads its input: nothing that bfloat16 makes faster.
bool is_product(const ir::Graph& graph, const ir::Node& node) {
  constexpr int64_t kFewestChannels = 16;
  if (node.op == nullptr || !node.is("ConvTranspose")) return one_of(node, kProducts);
  const ir::ValueInfo& weights = graph.value(node.inputs[1]);
  return weights.is_constant() && weights.constant.dims().rank() > 1 && weights.constant.dims()[1] >= kFewestChannels;
}

bool is_cast(const ir::Node* node, ElementType to) {
  return node != nullptr && node->is("Cast") && node->attrs.as<ops::CastAttrs>().to == to;
}

/// The bfloat16 that an f32 value was made of, kNone when there is none.
ir::ValueId narrow_source(const Site& site, ir::ValueId v) {
  const ir::Node* cast = site.producer(v);
  if (!is_f32(site.fact(v)) || !is_cast(cast, ElementType::f32) || !is_bf16(site.fact(cast->inputs[0]))) return ir::kNone;
  return cast->inputs[0];
}

/// A product lies behind the value on a way through operators that may be bfloat16.
bool reaches_product(const Site& site) {
  std::vector<ir::ValueId> open(site.node.outputs.begin(), site.node.outputs.end()), seen = open;
  for (size_t next = 0; next < open.size() && open.size() < kMostReaders; ++next) {
    if (open[next] == ir::kNone) continue;
    for (const ir::NodeId id : site.uses.of(open[next])) {
      const ir::Node& reader = site.graph.node(id);
      if (is_product(site.graph, reader)) return true;
      if (!one_of(reader, kBetween) && !reader.is("Cast")) continue;
      for (const ir::ValueId v : reader.outputs) {
        if (std::find(open.begin(), open.end(), v) == open.end()) open.push_back(v);
      }
    }
  }
  return false;
}

/// Whether the port takes data, not what steers the operator: it shares the type of the first output, or must be there.
bool is_data(const ops::Op& op, const ops::Port* port) {
  return port != nullptr && contains(port->types, ElementType::bf16) &&
         (!port->optional || port->group == op.output_port(0)->group);
}

ir::ValueId narrowed_constant(ir::Patch& patch, const Tensor& wide) {
  Tensor narrow(ElementType::bf16, wide.dims());
  auto* out = static_cast<BFloat16*>(narrow.data());
  for (int64_t i = 0; i < wide.count(); ++i) out[i] = BFloat16(static_cast<double>(wide.as<float>()[i]));
  return patch.constant(std::move(narrow));
}

Result<ir::ValueId> cast(ir::Patch& patch, ir::ValueId v, ElementType to) {
  return patch.add(ops::get("Cast"), ops::CastAttrs{.to = to}, {v});
}

Result<Answer> visit(const Site& site) {
  const ir::Node& node = site.node;
  const bool product = is_product(site.graph, node);
  if (!product && !one_of(node, kBetween)) return not_mine();
  const ops::Op* op = ops::get(node.op->name);
  std::vector<bool> data(node.inputs.size(), false);
  bool from_narrow = false;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ir::ValueId v = node.inputs[i];
    if (v == ir::kNone || !is_data(*op, op->input_port(i))) continue;
    if (!is_f32(site.fact(v))) return not_mine();
    data[i] = true;
    from_narrow = from_narrow || narrow_source(site, v) != ir::kNone;
  }
  for (const ir::ValueId v : node.outputs) {
    if (v != ir::kNone && !is_f32(site.fact(v))) return not_mine();
  }
  if (!product && !from_narrow) return not_mine();
  if (!product && !reaches_product(site)) return declined("no product comes after it");

  std::vector<ir::ValueId> sources(node.inputs.size(), ir::kNone);
  std::vector<Tensor> constants(node.inputs.size());
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!data[i]) continue;
    sources[i] = narrow_source(site, node.inputs[i]);
    if (const Tensor* t = site.constant(node.inputs[i])) constants[i] = *t;
  }
  ir::Patch patch(site.graph);
  ir::Node narrow{node.op, node.name, node.attrs, node.inputs, node.outputs, ir::kNone};
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!data[i]) continue;
    if (sources[i] != ir::kNone) {
      narrow.inputs[i] = sources[i];
    } else if (constants[i].type() == ElementType::f32) {
      narrow.inputs[i] = narrowed_constant(patch, constants[i]);
    } else {
      narrow.inputs[i] = TRY(cast(patch, node.inputs[i], ElementType::bf16));
    }
  }
  const std::vector<ir::ValueId> outputs = TRY(patch.add(std::move(narrow)));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != ir::kNone) patch.replace(node.outputs[i], TRY(cast(patch, outputs[i], ElementType::f32)));
  }
  return Answer(std::move(patch));
}

}  // namespace

Pass bf16() {
  return {"bf16", "products, and what stands between them, in bfloat16", visit};
}

}  // namespace slipway::passes
