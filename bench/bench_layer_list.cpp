// The distinct layers of models, one a line with the models that have them, for bench_dnnl:
//   bench_layer_list MODEL[@NAME:1x3x640x640]... >bench/layers.txt
// Open extents are 1 unless given. Layers are the main operators of the optimised graph: what follows as their tail is left out.
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "engine/engine.hpp"
#include "kernels/registry.hpp"
#include "layer_line.hpp"
#include "ops/group.hpp"
#include "plan/plan.hpp"

namespace {

using namespace slipway;

const std::set<std::string_view> kOps = {
    "Conv", "ConvTranspose", "MatMul", "Gemm", "MaxPool", "AveragePool", "GlobalAveragePool", "Softmax", "LayerNormalization"};

/// Lines in the order of their first use, with models and counts.
struct Layers {
  std::vector<std::string> order;
  std::map<std::string, std::map<std::string, int>> models;

  void add(const std::string& line, const std::string& model) {
    if (!models.contains(line)) order.push_back(line);
    ++models[line][model];
  }
};

void collect(const ir::Graph& graph, const std::string& model, Layers& layers) {
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
    const ir::Node& node = graph.node(id);
    if (!node.alive()) continue;
    const ops::GroupAttrs* group = ops::group_of(node);
    const ir::Node& main = group == nullptr ? node : group->body->node(0);
    if (!kOps.contains(main.op->name) || !main.op->domain.empty() || (group != nullptr && group->kind == "squeeze_excite"))
      continue;
    bench::LayerLine line{std::string(main.op->name), {}, main.attrs};
    bool whole = true;
    for (size_t i = 0; i < main.inputs.size(); ++i) {
      const ir::ValueId v = group != nullptr && main.inputs[i] != ir::kNone ? node.inputs[i] : main.inputs[i];
      if (v == ir::kNone) {
        line.inputs.push_back({{}, false, true});
        continue;
      }
      const ir::Fact& fact = graph.value(v).fact;
      whole = whole && fact.is_static() && fact.type == ElementType::f32;
      if (whole) line.inputs.push_back({fact.dims(), graph.value(v).is_constant(), false});
    }
    if (whole) layers.add(bench::print(line), model);
  }
}

/// The declared fact with open extents given or 1.
Result<ir::Fact> closed(const engine::Port& port, const std::map<std::string, Dims>& given) {
  if (const auto found = given.find(port.name); found != given.end()) return ir::Fact::tensor(port.fact.type, found->second);
  Dims dims;
  if (!port.fact.shape) return fail(ErrorCode::invalid_argument, "the rank of input '{}' is open: give its shape", port.name);
  for (const ir::Dim d : *port.fact.shape) dims.push_back(d.known() ? d.value() : 1);
  return ir::Fact::tensor(port.fact.type, dims);
}

Status read_model(const std::string& argument, Layers& layers) {
  const std::vector<std::string> parts = bench::detail::split(argument, '@');
  std::map<std::string, Dims> given;
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t colon = parts[i].rfind(':');
    std::vector<int64_t> dims;
    if (colon == std::string::npos || !bench::detail::numbers(parts[i].substr(colon + 1), 'x', dims))
      return fail(ErrorCode::invalid_argument, "'{}' is not NAME:1x2x3", parts[i]);
    given[parts[i].substr(0, colon)] = Dims(std::span<const int64_t>(dims));
  }
  engine::Options options;
  options.threads = 1;
  const std::shared_ptr<engine::Engine> engine = TRY(engine::Engine::load(parts[0], options));
  std::vector<plan::InputDesc> inputs;
  for (const engine::Port& port : engine->inputs()) inputs.push_back({TRY(closed(port, given)), {}});
  plan::PlanOptions plan_options;
  plan_options.machine = {options.isa, 1, cpu_info()};
  plan_options.tactic_list = &kernels::all();
  const auto plan = TRY(plan::make(engine->graph(), inputs, plan_options));
  collect(plan->graph, std::filesystem::path(parts[0]).stem(), layers);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Layers layers;
  for (int i = 1; i < argc; ++i) {
    if (const Status read = read_model(argv[i], layers); !read) {
      std::fprintf(stderr, "%s: %s\n", argv[i], read.error().text().c_str());
      return 1;
    }
  }
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_layer_list MODEL[@NAME:1x3x640x640]...\n");
    return 2;
  }
  for (const std::string& line : layers.order) {
    std::string models;
    for (const auto& [model, count] : layers.models[line]) models += fmt::format(" {}*{}", model, count);
    std::printf("%s #%s\n", line.c_str(), models.c_str());
  }
  return 0;
}
