#include "serve/repository/model.hpp"

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

Result<std::unique_ptr<Model>> Model::load(const ModelFile& file, const Options& options, Metrics& metrics) {
  const auto started = std::chrono::steady_clock::now();
  auto engine = engine::Engine::load(file.path, options.engine);
  if (!engine) return std::move(engine).error().with(fmt::format("while loading model '{}'", file.name));
  std::unique_ptr<Model> model(new Model);
  model->engine_ = std::move(engine).value();
  model->spec_.name = file.name;
  model->spec_.version = file.version;
  model->spec_.inputs = TRY(specs_of(model->engine_->inputs(), *model->engine_));
  model->spec_.outputs = TRY(specs_of(model->engine_->outputs(), *model->engine_));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  model->queue_ = std::make_unique<SessionQueue>(*model->engine_, model->spec_,
                                                 metrics.add_model(file.name, file.version, took.count()), options.queue);
  return model;
}

}  // namespace slipway::serve
