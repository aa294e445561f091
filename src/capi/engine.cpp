// Options and engines.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/format.hpp"
#include "capi/handles.hpp"

namespace slipway::capi {
namespace {

Result<bool> on_off(std::string_view key, std::string_view value) {
  if (value != "on" && value != "off")
    return fail(ErrorCode::invalid_argument, "option '{}': '{}' is neither 'on' nor 'off'", key, value);
  return value == "on";
}

Status set(engine::Options& options, std::string_view key, std::string_view value) {
  if (key == "isa") {
    const std::optional<Isa> isa = parse_isa(value);
    if (!isa) return fail(ErrorCode::invalid_argument, "option 'isa': there is no instruction set '{}'", value);
    options.isa = *isa;
  } else if (key == "threads") {
    int threads = -1;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), threads);
    if (error != std::errc() || end != value.data() + value.size() || threads < 0) {
      return fail(ErrorCode::invalid_argument, "option 'threads': '{}' is not a number of threads", value);
    }
    options.threads = threads;
  } else if (key == "deterministic") {
    options.deterministic = TRY(on_off(key, value));
  } else if (key == "passes") {
    options.passes = TRY(on_off(key, value));
  } else if (key == "verify_weights") {
    options.verify_weights = TRY(on_off(key, value));
  } else if (key == "skip_pass") {
    options.skipped_passes.emplace_back(value);
  } else {
    return fail(ErrorCode::not_found,
                "there is no option '{}'; there are isa, threads, deterministic, passes, verify_weights, skip_pass", key);
  }
  return {};
}

slipway_port port(const engine::Port& from, const char* text) {
  slipway_port out{};
  out.name = from.name.c_str();
  out.text = text;
  out.type = from.fact.is_tensor() ? static_cast<slipway_type>(from.fact.type) : SLIPWAY_UNDEFINED;
  out.rank = from.fact.shape ? static_cast<int32_t>(from.fact.shape->size()) : -1;
  for (int i = 0; i < out.rank; ++i) {
    const ir::Dim dim = (*from.fact.shape)[static_cast<size_t>(i)];
    out.dims[i] = dim.known() ? dim.value() : -1;
  }
  return out;
}

ptrdiff_t find(const std::vector<slipway_port>& ports, const char* name) {
  for (size_t i = 0; i < ports.size(); ++i) {
    if (std::strcmp(ports[i].name, name) == 0) return static_cast<ptrdiff_t>(i);
  }
  return -1;
}

const std::map<std::string, std::string>& metadata(const slipway_engine* engine) {
  return engine->engine->graph().metadata;
}

}  // namespace
}  // namespace slipway::capi

slipway_engine::slipway_engine(std::shared_ptr<slipway::engine::Engine> made) : engine(std::move(made)) {
  for (const auto* ports : {&engine->inputs(), &engine->outputs()}) {
    for (const slipway::engine::Port& p : *ports) texts.push_back(slipway::engine::fact_text(*engine, p.fact));
  }
  size_t text = 0;
  for (const slipway::engine::Port& p : engine->inputs()) inputs.push_back(slipway::capi::port(p, texts[text++].c_str()));
  for (const slipway::engine::Port& p : engine->outputs()) outputs.push_back(slipway::capi::port(p, texts[text++].c_str()));
}

using slipway::Status;
using slipway::capi::guard;

extern "C" {

slipway_options* slipway_options_create(void) noexcept {
  slipway_options* made = nullptr;
  guard([&]() -> Status {
    made = std::make_unique<slipway_options>().release();
    return {};
  });
  return made;
}

void slipway_options_destroy(slipway_options* options) noexcept {
  delete options;
}

slipway_status slipway_options_set(slipway_options* options, const char* key, const char* value) noexcept {
  return guard([&] { return slipway::capi::set(options->options, key, value); });
}

slipway_status slipway_engine_load(const char* path, const slipway_options* options, slipway_engine** engine) noexcept {
  *engine = nullptr;
  return guard([&]() -> Status {
    auto made = TRY(slipway::engine::Engine::load(path, options == nullptr ? slipway::engine::Options{} : options->options));
    *engine = std::make_unique<slipway_engine>(std::move(made)).release();
    return {};
  });
}

slipway_status slipway_engine_load_memory(const void* data, size_t bytes, void (*release)(void*), void* user,
                                          const slipway_options* options, slipway_engine** engine) noexcept {
  *engine = nullptr;
  return guard([&]() -> Status {
    std::shared_ptr<const void> owner;
    if (release != nullptr) owner = std::shared_ptr<const void>(data, [release, user](const void*) { release(user); });
    auto made = TRY(slipway::engine::Engine::load({static_cast<const std::byte*>(data), bytes}, std::move(owner),
                                                  options == nullptr ? slipway::engine::Options{} : options->options));
    *engine = std::make_unique<slipway_engine>(std::move(made)).release();
    return {};
  });
}

slipway_status slipway_engine_save(const slipway_engine* engine, const char* path) noexcept {
  return guard([&] { return engine->engine->save(path); });
}

void slipway_engine_destroy(slipway_engine* engine) noexcept {
  delete engine;
}

size_t slipway_engine_input_count(const slipway_engine* engine) noexcept {
  return engine->inputs.size();
}
size_t slipway_engine_output_count(const slipway_engine* engine) noexcept {
  return engine->outputs.size();
}

const slipway_port* slipway_engine_input(const slipway_engine* engine, size_t index) noexcept {
  return index < engine->inputs.size() ? &engine->inputs[index] : nullptr;
}
const slipway_port* slipway_engine_output(const slipway_engine* engine, size_t index) noexcept {
  return index < engine->outputs.size() ? &engine->outputs[index] : nullptr;
}

ptrdiff_t slipway_engine_find_input(const slipway_engine* engine, const char* name) noexcept {
  return slipway::capi::find(engine->inputs, name);
}
ptrdiff_t slipway_engine_find_output(const slipway_engine* engine, const char* name) noexcept {
  return slipway::capi::find(engine->outputs, name);
}

size_t slipway_engine_metadata_count(const slipway_engine* engine) noexcept {
  return slipway::capi::metadata(engine).size();
}

slipway_status slipway_engine_metadata_at(const slipway_engine* engine, size_t index, const char** key,
                                          const char** value) noexcept {
  const auto& all = slipway::capi::metadata(engine);
  if (index >= all.size()) return slipway::capi::failed(SLIPWAY_NOT_FOUND, "the model has fewer metadata entries");
  const auto at = std::next(all.begin(), static_cast<ptrdiff_t>(index));
  *key = at->first.c_str();
  *value = at->second.c_str();
  return SLIPWAY_OK;
}

const char* slipway_engine_metadata(const slipway_engine* engine, const char* key) noexcept {
  for (const auto& [name, value] : slipway::capi::metadata(engine)) {
    if (name == key) return value.c_str();
  }
  return nullptr;
}
}
