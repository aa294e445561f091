// Engine: a model made ready for one machine: optimised graph, weights, options. What cli, serve and capi call.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped_file.hpp"
#include "engine/engine_file.hpp"
#include "engine/tune.hpp"
#include "ir/graph.hpp"
#include "passes/driver.hpp"
#include "runtime/session.hpp"

namespace slipway::engine {

/// What products compute in. bf16: bfloat16 operands and results between products, sums in fp32.
enum class Precision : uint8_t { fp32, bf16 };

struct Options {
  Isa isa = detected_isa();
  int threads = 0;  ///< 0: every CPU the process may use
  bool deterministic = true;
  Precision precision = Precision::fp32;  ///< of models; an engine file has been built in one
  bool passes = true;                     ///< false: the imported graph as it is
  std::vector<std::string> skipped_passes;
  std::optional<size_t> stop_after;  ///< stop after N patches (bisecting)
  bool references_only = false;      ///< no tactic but the references
  bool keep_values = false;          ///< every value stays readable for taps
  bool explain = false;              ///< plans record every tactic's cost or refusal
  std::string forced_tactic;
  bool verify_weights = false;  ///< check every weight section of an engine file
  /// Never read an engine file again after loading it: originals of weights that are packed at load stay in memory. For servers,
  /// whose files may be overwritten.
  bool keep_originals = false;
};

/// One input or output as callers see it.
struct Port {
  std::string name;
  ir::Fact fact;
};

/// Thread-safe once loaded; shared by its Sessions.
class Engine {
 public:
  /// Opens an engine file, or imports and optimises a model file: told apart by content.
  static Result<std::shared_ptr<Engine>> load(const std::filesystem::path& path, const Options& options = {});
  /// The same from memory; `owner` keeps the bytes alive (weights are copied when it is null).
  static Result<std::shared_ptr<Engine>> load(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                              const Options& options = {});
  /// Writes the engine file (engine_file.hpp), weights packed and tactics chosen for a plan of these inputs. Without them, or
  /// when no plan can be made of them, extents that the model leaves open are guessed; where that fails too, the weights are
  /// stored as they are and packed at load. Errors: io.
  Status save(const std::filesystem::path& path, std::span<const ir::Value> example = {}) const;
  static Result<std::shared_ptr<Engine>> from_graph(ir::Graph graph, const Options& options = {});
  ~Engine();

  /// Measures the rival tactics of every node where they run and keeps to the fastest (tune.hpp). `known` is read first and what
  /// is measured is added: with everything known nothing is measured, and the same is chosen. An engine loaded from its file
  /// keeps its choices. To be called before Sessions are made. Errors: those of planning and running the example.
  Result<TuneReport> tune(std::span<const ir::Value> example, const TuneOptions& options, plan::TimingCache& known);

  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }
  /// Bytes of constants beyond 4 KiB may not be in memory (packed_store.hpp).
  const ir::Graph& graph() const { return *graph_; }
  /// Bytes of the packed weights in memory.
  size_t packed_bytes() const { return store_->bytes(); }
  /// Of the engine file it was loaded from.
  const std::optional<FileInfo>& file() const { return file_; }
  /// What the passes did; empty for an engine file.
  const passes::Report& passes() const { return passes_; }
  const Options& options() const { return options_; }

  /// A new Session with its own arena. threads 0: the engine's.
  std::unique_ptr<runtime::Session> session(int threads = 0) const;

 private:
  Engine();
  static Result<std::shared_ptr<Engine>> from_engine_bytes(const FileBytes& bytes, const std::shared_ptr<const File>& file,
                                                           const Options& options);
  static Result<std::shared_ptr<Engine>> assemble(FileContents contents, const Options& options);

  Options options_;
  std::shared_ptr<const ir::Graph> graph_;
  std::vector<Port> inputs_, outputs_;
  passes::Report passes_;
  std::optional<FileInfo> file_;
  std::unique_ptr<ModelPackedStore> store_;
  plan::Choices choices_;  ///< of the engine file, or tuned
  std::shared_ptr<runtime::PlanCache> plans_;
};

/// "f32[batch,3,224,224]" with the model's own symbol names.
std::string fact_text(const Engine& engine, const ir::Fact& fact);

}  // namespace slipway::engine
