#include <unistd.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "base/format.hpp"
#include "cli/cli.hpp"

namespace slipway::cli {

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("MODEL", options.model, "Model file (.onnx) or engine file (.slip)")->required();
  add_build_options(command, options);
}

void add_build_options(CLI::App& command, ModelOptions& options) {
  command.add_option("--threads", options.threads, "Threads of one session (default: every usable CPU)")
      ->check(CLI::PositiveNumber);
  command.add_option("--isa", options.isa,
                     "Use at most this instruction set: portable | avx2 | avx512 | avx512_vnni | avx512_bf16");
  command
      .add_option("--precision", options.precision,
                  "What products compute in: fp32 | bf16 (inputs, outputs and sums stay fp32); an engine file keeps its own")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  command.add_option("--deterministic", options.deterministic, "Answers depend on neither batch, threads nor run")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  command.add_option("--skip-pass", options.skipped_passes, "Leave out a graph pass by name (repeatable)");
  command.add_flag("--no-passes", options.no_passes, "Run the imported graph as it is");
  command.add_flag("--references", options.references, "Use reference kernels only (slow, for comparison)");
}

Result<engine::Options> engine_options(const ModelOptions& options) {
  engine::Options out;
  out.threads = options.threads;
  if (!options.isa.empty()) {
    const std::optional<Isa> isa = parse_isa(options.isa);
    if (!isa) {
      return fail(ErrorCode::invalid_argument, "--isa: '{}' is not one of portable, avx2, avx512, avx512_vnni, avx512_bf16",
                  options.isa);
    }
    out.isa = *isa;
  }
  out.precision = options.precision == "bf16" ? engine::Precision::bf16 : engine::Precision::fp32;
  out.deterministic = options.deterministic == "on";
  out.skipped_passes = options.skipped_passes;
  out.passes = !options.no_passes;
  out.references_only = options.references;
  return out;
}

Result<std::shared_ptr<engine::Engine>> open_model(const ModelOptions& options, engine::Options base) {
  const Progress progress("loading " + options.model);
  return engine::Engine::load(options.model, base);
}

struct Progress::Impl {
  std::mutex mutex;
  std::condition_variable wake;
  std::string what, detail;
  bool ended = false, shown = false;
  std::thread thread;  // prints to a person; computes nothing
};

Progress::Progress(std::string what) {
  if (isatty(STDERR_FILENO) == 0) return;
  impl_ = std::make_unique<Impl>();
  impl_->what = std::move(what);
  impl_->thread = std::thread([impl = impl_.get()] {
    std::unique_lock lock(impl->mutex);
    for (int seconds = 1; !impl->wake.wait_for(lock, std::chrono::seconds(1), [&] { return impl->ended; }); ++seconds) {
      std::fprintf(stderr, "\r\033[K%s %s(%d s)", impl->what.c_str(), impl->detail.c_str(), seconds);
      std::fflush(stderr);
      impl->shown = true;
    }
    if (impl->shown) std::fprintf(stderr, "\r\033[K");
  });
}

Progress::~Progress() {
  if (impl_ == nullptr) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->ended = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

void Progress::update(const std::string& detail) {
  if (impl_ == nullptr) return;
  const std::lock_guard lock(impl_->mutex);
  impl_->detail = detail + " ";
}

}  // namespace slipway::cli
