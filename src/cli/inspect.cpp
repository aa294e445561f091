// slipway inspect: what a model or engine file is.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>

#include "base/format.hpp"
#include "cli/cli.hpp"

namespace slipway::cli {
namespace {

struct InspectOptions {
  ModelOptions model;
  bool verify = false;
};

Status inspect(const InspectOptions& options) {
  engine::Options base = TRY(engine_options(options.model));
  base.verify_weights = options.verify;
  const auto engine = TRY(open_model(options.model, base));
  const ir::Graph& graph = engine->graph();
  std::printf("model: %s%s%s\n", graph.name.c_str(), graph.producer.empty() ? "" : ", made by ", graph.producer.c_str());
  for (const engine::Port& port : engine->inputs())
    std::printf("input   %-32s %s\n", port.name.c_str(), fact_text(*engine, port.fact).c_str());
  for (const engine::Port& port : engine->outputs())
    std::printf("output  %-32s %s\n", port.name.c_str(), fact_text(*engine, port.fact).c_str());
  if (const auto& file = engine->file()) {
    std::printf("engine  made by slipway %s for %s; %zu sections: %.2f MiB packed, %.2f MiB as they are; metadata %.2f MiB\n",
                file->slipway_version.c_str(), std::string(name(file->isa)).c_str(), file->sections,
                static_cast<double>(file->packed_bytes) / 1048576, static_cast<double>(file->original_bytes) / 1048576,
                static_cast<double>(file->metadata_bytes) / 1048576);
  }
  size_t bytes = 0, tensors = 0;
  std::map<std::string, size_t> types, ops;
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    if (!graph.value(v).is_constant()) continue;
    const Tensor& t = graph.value(v).constant;
    ++tensors;
    bytes += t.bytes();
    types[std::string(name(t.type()))] += t.bytes();
  }
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
    if (graph.node(id).alive()) ++ops[std::string(graph.node(id).op->name)];
  }
  std::printf("weights %zu tensors, %.2f MiB (", tensors, static_cast<double>(bytes) / 1048576);
  bool first = true;
  for (const auto& [type, size] : types) {
    std::printf("%s%s %.2f MiB", first ? "" : ", ", type.c_str(), static_cast<double>(size) / 1048576);
    first = false;
  }
  std::printf(")\nnodes   %zu after optimisation\n", graph.live_nodes());
  std::vector<std::pair<size_t, std::string>> sorted;
  for (const auto& [op, count] : ops) sorted.emplace_back(count, op);
  std::sort(sorted.rbegin(), sorted.rend());
  for (const auto& [count, op] : sorted) std::printf("  %6zu  %s\n", count, op.c_str());
  for (const auto& [key, value] : graph.metadata) {
    constexpr size_t kShown = 60;
    std::printf("metadata %s = %s%s\n", key.c_str(), value.substr(0, value.find('\n')).substr(0, kShown).c_str(),
                value.size() > kShown ? "..." : "");
  }
  return {};
}

}  // namespace

void add_inspect(CLI::App& app, Work& work) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App& command = *app.add_subcommand("inspect", "Inputs, outputs, operators and weights of a model or engine");
  add_model_options(command, options->model);
  command.add_flag("--verify", options->verify, "Check the checksum of every weight section of an engine file");
  command.callback([options, &work] { work = [options] { return inspect(*options); }; });
}

}  // namespace slipway::cli
