// --tune and --timing-cache, for the subcommands that choose kernels.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/format.hpp"
#include "base/mapped_file.hpp"
#include "base/temporary_file.hpp"
#include "cli/cli.hpp"

namespace slipway::cli {
namespace {

/// Nothing when there is no such file yet.
Result<plan::TimingCache> read_cache(const std::string& path) {
  const Result<FileBytes> file = read_file(path, {0, FilePart::kToEnd, plan::TimingCache::kMaxBytes});
  if (!file && file.error().code == ErrorCode::not_found) return plan::TimingCache();
  if (!file) return file.error();
  Result<plan::TimingCache> cache = plan::TimingCache::parse(file->text());
  if (!cache) return std::move(cache).error().with(fmt::format("in '{}'", path));
  return cache;
}

/// With what others have written meanwhile.
Status write_cache(const std::string& path, plan::TimingCache cache) {
  cache.merge(TRY(read_cache(path)));
  return write_file(path, cache.text());
}

}  // namespace

void add_tune_options(CLI::App& command, TuneOptions& options) {
  command.add_option("--tune", options.tune, "Measure rival kernels and keep to the fastest: off | fast | full")
      ->check(CLI::IsMember({"off", "fast", "full"}))
      ->capture_default_str();
  command.add_option("--timing-cache", options.cache,
                     "What --tune measures is read from this text file and added to it; files may be shipped and joined");
}

Status tune(engine::Engine& engine, std::span<const ir::Value> inputs, const TuneOptions& options) {
  if (options.tune == "off") {
    if (options.cache.empty()) return {};
    return Error(ErrorCode::invalid_argument, "--timing-cache goes with --tune fast or --tune full");
  }
  if (engine.file()) {
    std::fprintf(stderr, "the engine keeps the choices it was built with; --tune belongs to its build\n");
    return {};
  }
  plan::TimingCache cache;
  if (!options.cache.empty()) cache = TRY(read_cache(options.cache));
  Progress progress("tuning");
  engine::TuneOptions how;
  how.effort = options.tune == "fast" ? engine::Tuning::fast : engine::Tuning::full;
  how.progress = [&](const std::string& what) { progress.update(what); };
  const engine::TuneReport report = TRY(engine.tune(inputs, how, cache));
  if (!options.cache.empty() && report.measured > 0) TRY(write_cache(options.cache, std::move(cache)));
  std::fprintf(stderr, "tuned in %.1f s: %zu times known, %zu measured in %zu plans", report.seconds, report.known,
               report.measured, report.trials);
  if (report.tuned_us > 0) {
    std::fprintf(stderr, "; a run %.3f ms, %.3f ms as estimated", report.tuned_us / 1e3, report.estimated_us / 1e3);
  }
  std::fprintf(stderr, "\n");
  return {};
}

}  // namespace slipway::cli
