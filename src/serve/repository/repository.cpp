#include "serve/repository/repository.hpp"

#include "base/format.hpp"

namespace slipway::serve {
namespace {

Result<std::vector<TensorSpec>> specs_of(const std::vector<engine::Port>& ports, const engine::Engine& engine) {
  std::vector<TensorSpec> out;
  for (const engine::Port& port : ports) {
    if (port.fact.kind != ir::Fact::Kind::tensor || port.fact.optional || datatype_name(port.fact.type).empty()) {
      return fail(ErrorCode::unsupported, "'{}' is {}, which the KServe v2 protocol cannot carry", port.name,
                  fact_text(engine, port.fact));
    }
    TensorSpec spec{port.name, port.fact.type, std::nullopt};
    if (port.fact.shape) {
      spec.shape.emplace();
      for (const ir::Dim dim : *port.fact.shape) spec.shape->push_back(dim.known() ? dim.value() : -1);
    }
    out.push_back(std::move(spec));
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Model>> Model::load(const std::string& name, const std::string& path, const Options& options,
                                           Metrics& metrics) {
  const auto started = std::chrono::steady_clock::now();
  auto engine = engine::Engine::load(path, options.engine);
  if (!engine) return std::move(engine).error().with(fmt::format("while loading model '{}'", name));
  std::unique_ptr<Model> model(new Model);
  model->engine_ = std::move(engine).value();
  model->spec_.name = name;
  model->spec_.version = "1";
  model->spec_.inputs = TRY(specs_of(model->engine_->inputs(), *model->engine_));
  model->spec_.outputs = TRY(specs_of(model->engine_->outputs(), *model->engine_));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  model->queue_ = std::make_unique<SessionQueue>(*model->engine_, model->spec_,
                                                 metrics.add_model(name, model->spec_.version, took.count()), options.queue);
  return model;
}

Status Repository::add(std::unique_ptr<Model> model) {
  const std::string name = model->spec().name;
  if (models_.emplace(name, std::move(model)).second) return {};
  return fail(ErrorCode::invalid_argument, "two models are called '{}'; give each its own name", name);
}

const Model* Repository::find(std::string_view name, std::string_view version) const {
  const auto found = models_.find(name);
  if (found == models_.end() || (!version.empty() && found->second->spec().version != version)) return nullptr;
  return found->second.get();
}

}  // namespace slipway::serve
