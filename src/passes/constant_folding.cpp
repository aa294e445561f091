// Nodes whose inputs are all constants are computed now, by their reference.
#include "base/format.hpp"
#include "ops/evaluate.hpp"
#include "passes/pass.hpp"

namespace slipway::passes {
namespace {

/// A result may be this large whatever it is made from; beyond, it may not be larger than what it replaces (twice, for casts).
constexpr size_t kSmallResult = size_t{4} << 20;
/// Operators that do more than touch each element once are folded only up to this many bytes in and out.
constexpr size_t kHeavyBytes = size_t{1} << 20;

bool touches_once(const ir::OpInfo& op) {
  if (op.has(ir::OpInfo::kElementwise) || op.has(ir::OpInfo::kView)) return true;
  for (std::string_view name : {"Transpose", "Concat", "Split", "Slice", "Gather", "Expand", "Tile", "Pad", "BatchNormalization",
                                "DequantizeLinear", "QuantizeLinear", "Flip", "DepthToSpace", "SpaceToDepth"}) {
    if (op.name == name) return true;
  }
  return false;
}

/// -1: not known.
int64_t bytes_of(const ir::Fact& fact) {
  constexpr int64_t kLimit = int64_t{1} << 40;
  if (!fact.is_static()) return -1;
  const Dims dims = fact.dims();
  const int64_t count = checked_count(std::span(dims.begin(), dims.end()), kLimit);
  return count < 0 ? kLimit : static_cast<int64_t>(byte_size(fact.type, count));
}

Result<Answer> visit(const Site& site) {
  const ir::Node& node = site.node;
  using Info = ir::OpInfo;
  if (node.op->has(Info::kRandom) || node.op->has(Info::kHasSubgraph) || node.op->has(Info::kGroup)) return not_mine();
  std::vector<ir::Value> held;
  std::vector<const ir::Value*> inputs;
  held.reserve(node.inputs.size());
  size_t bytes_in = 0, bytes_out = 0;
  for (ir::ValueId v : node.inputs) {
    if (v == ir::kNone) {
      inputs.push_back(nullptr);
      continue;
    }
    const Tensor* constant = site.constant(v);
    if (constant == nullptr) return not_mine();
    held.push_back(ir::Value(*constant));
    inputs.push_back(&held.back());
    bytes_in += constant->bytes();
  }
  const std::vector<ir::Fact> facts = TRY(ir::infer_node(site.graph, node));
  for (size_t i = 0; i < facts.size(); ++i) {
    if (node.outputs[i] == ir::kNone) continue;
    if (!facts[i].is_tensor()) return not_mine();
    const int64_t bytes = bytes_of(facts[i]);
    const bool selects = node.op->has(Info::kDataDependent);  // some of its input, or the places of some
    if (bytes < 0 && !(selects && bytes_in <= kSmallResult)) return declined("its result is of unknown size");
    bytes_out += static_cast<size_t>(std::max<int64_t>(bytes, 0));
  }
  if (bytes_out > kSmallResult && bytes_out > 2 * bytes_in) {
    return declined(fmt::format("{} constant bytes would become {}", bytes_in, bytes_out));
  }
  if (!touches_once(*node.op) && bytes_in + bytes_out > kHeavyBytes) return declined("too much work to do beforehand");

  const size_t growth = bytes_out > bytes_in ? bytes_out - bytes_in : 0;
  if (growth > site.budget.constant_bytes) return declined("constants have grown enough");
  site.budget.constant_bytes -= growth;

  const std::vector<ir::Value> results = TRY(ops::evaluate_node(site.graph, node, inputs, ops::reference_runner()));
  ir::Patch patch(site.graph);
  for (size_t i = 0; i < results.size(); ++i) {
    if (node.outputs[i] == ir::kNone) continue;
    const Tensor* tensor = results[i].tensor();
    if (tensor == nullptr) return not_mine();
    patch.replace(node.outputs[i], patch.constant(*tensor));
  }
  return Answer(std::move(patch));
}

}  // namespace

Pass constant_folding() {
  return {"constant_folding", "computes nodes of constants beforehand", visit};
}

}  // namespace slipway::passes
