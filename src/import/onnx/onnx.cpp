#include "import/onnx/onnx.hpp"

#include "base/log.hpp"
#include "import/onnx/graph_builder.hpp"
#include "import/onnx/limits.hpp"

namespace slipway::import::onnx {
namespace {

Status check_versions(const ModelProto& model) {
  if (!model.has_graph) return Error(ErrorCode::invalid_model, "the file holds no graph; is it an ONNX model?");
  if (model.ir_version < kOldestIrVersion || model.ir_version > kNewestIrVersion) {
    return fail(ErrorCode::unsupported, "the model has ONNX IR version {}; slipway reads {} to {}", model.ir_version,
                kOldestIrVersion, kNewestIrVersion);
  }
  if (model.opsets.empty()) return Error(ErrorCode::invalid_model, "the model does not say which operator sets it uses");
  const auto check = [](const OpsetProto& opset) -> Status {
    const int64_t newest = opset.domain.empty() ? kNewestOpset : std::numeric_limits<int32_t>::max();
    if (opset.version >= kOldestOpset && opset.version <= newest) return {};
    return fail(ErrorCode::unsupported, "the model uses version {} of operator set '{}'; slipway reads {} to {}", opset.version,
                opset.domain.empty() ? "ai.onnx" : opset.domain, kOldestOpset, newest);
  };
  for (const OpsetProto& opset : model.opsets) TRY(check(opset));
  for (const FunctionProto& function : model.functions) {
    for (const OpsetProto& opset : function.opsets) TRY(check(opset));
  }
  return {};
}

}  // namespace

Result<ir::Graph> read(const Input& input) {
  const ModelProto proto = TRY(decode_model({reinterpret_cast<const char*>(input.bytes.data()), input.bytes.size()}));
  TRY(check_versions(proto));
  ExternalFiles files(input.folder, input.map_files);
  Model model(proto, {input.owner, &files});
  model.disposable = input.disposable;
  Result<ir::Graph> built = guarded("the model", [&] { return GraphBuilder(model, 0).build(proto.graph, model.frame(), {}); });
  if (!built) return built;
  if (!model.problems.empty()) return model.problems.error();
  if (model.outdated.count != 0) {
    log(LogLevel::warning, "{}{}: the shapes that the operators give are used", model.outdated.first,
        model.outdated.count == 1 ? "" : fmt::format(" (and {} more like it)", model.outdated.count - 1));
  }
  ir::Graph graph = std::move(built).value();
  for (const auto& [key, value] : proto.metadata) graph.metadata.insert_or_assign(std::string(key), std::string(value));
  graph.producer = proto.producer_name;
  if (!proto.producer_version.empty())
    graph.producer += (graph.producer.empty() ? "" : " ") + std::string(proto.producer_version);
  return graph;
}

}  // namespace slipway::import::onnx
