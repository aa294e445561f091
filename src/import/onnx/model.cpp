#include "import/onnx/model.hpp"

#include "import/onnx/limits.hpp"

namespace slipway::import::onnx {
namespace {

std::string function_key(Text domain, Text name, Text overload) {
  std::string key(domain);
  for (Text part : {name, overload}) {
    key += '\0';
    key += part;
  }
  return key;
}

}  // namespace

Model::Model(const ModelProto& proto, TensorSource tensor_source) : source(std::move(tensor_source)), proto_(proto) {
  for (const OpsetProto& opset : proto.opsets) {
    if (!frame_.opsets.emplace(opset.domain, opset.version).second && frame_.opsets[opset.domain] != opset.version) {
      problems.other(Error(ErrorCode::invalid_model, "two versions of one operator set are imported"),
                     fmt::format("opset {}", opset.domain.empty() ? "ai.onnx" : opset.domain));
    }
  }
  for (const FunctionProto& f : proto.functions) {
    if (!functions_.emplace(function_key(f.domain, f.name, f.overload), &f).second) {
      problems.other(Error(ErrorCode::invalid_model, "two functions have the same domain, name and overload"),
                     fmt::format("function {}", f.name));
    }
  }
}

const FunctionProto* Model::function_of(const NodeProto& node) const {
  if (functions_.empty()) return nullptr;
  const auto at = functions_.find(function_key(node.domain, node.op_type, node.overload));
  return at == functions_.end() ? nullptr : at->second;
}

Status Model::count(const NodeProto& node, const Frame& frame) {
  names_ += node.inputs.size() + node.outputs.size();
  if (frame.function != nullptr) ++inlined_nodes_;
  if (inlined_nodes_ > kMaxInlinedNodes || names_ > kMaxNames) {
    return fail(ErrorCode::limit, "the calls of functions make more than {} nodes or {} node inputs and outputs",
                kMaxInlinedNodes, kMaxNames);
  }
  return {};
}

Status Model::count_graph() {
  symbols_ += proto_.symbols.size();
  if (symbols_ <= kMaxSymbolCopies) return {};
  return fail(ErrorCode::limit, "the model has {} symbolic extents in too many sub-graphs", proto_.symbols.size());
}

}  // namespace slipway::import::onnx
