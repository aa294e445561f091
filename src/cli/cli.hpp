// What the subcommands share: registration, and the options that every command about a model takes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/engine.hpp"

namespace CLI {
class App;
}

namespace slipway::cli {

/// A subcommand's work; exit 0 when it succeeds, else the error is printed and exit is 1.
using Work = std::function<Status()>;
/// Each adds one subcommand and, when that is the one asked for, sets `work`. One file per subcommand.
void add_build(CLI::App& app, Work& work);
void add_run(CLI::App& app, Work& work);
void add_bench(CLI::App& app, Work& work);
void add_compare(CLI::App& app, Work& work);
void add_verify(CLI::App& app, Work& work);
void add_inspect(CLI::App& app, Work& work);
void add_explain(CLI::App& app, Work& work);
void add_ops(CLI::App& app, Work& work);
void add_serve(CLI::App& app, Work& work);

/// How an engine is made from a model: --threads, --isa, --precision, --deterministic, --skip-pass, --no-passes, --references.
struct ModelOptions {
  std::string model;
  int threads = 0;
  std::string isa, precision = "fp32", deterministic = "on";
  std::vector<std::string> skipped_passes;
  bool no_passes = false, references = false;
};
/// The options alone; add_model_options() adds the MODEL argument too.
void add_build_options(CLI::App& command, ModelOptions& options);
void add_model_options(CLI::App& command, ModelOptions& options);
Result<engine::Options> engine_options(const ModelOptions& options);
/// engine_options() and Engine::load, with progress on a terminal when it takes over a second.
Result<std::shared_ptr<engine::Engine>> open_model(const ModelOptions& options, engine::Options base);

/// --tune and --timing-cache.
struct TuneOptions {
  std::string tune = "off", cache;
};
void add_tune_options(CLI::App& command, TuneOptions& options);
/// Tunes for these inputs, when asked, before the engine's first Session; the cache file is read before and written after. Says
/// on stderr what it did. Errors: a cache that cannot be read or written, the inputs do not run.
Status tune(engine::Engine& engine, std::span<const ir::Value> inputs, const TuneOptions& options);

/// Says on stderr, on a terminal only, what has been going on for more than a second. Ends with the object.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  void update(const std::string& detail);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::cli
