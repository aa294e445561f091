// A model as it is served: its engine, its sessions' queue, and what the protocol says of it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "serve/schedule/session_queue.hpp"

namespace slipway::serve {

/// Where a model lies.
struct ModelFile {
  std::string name;
  std::string version = "1";
  std::filesystem::path path;
};

/// Thread-safe. Its end waits for the requests that it has accepted.
class Model {
 public:
  struct Options {
    engine::Options engine;
    QueueOptions queue;
  };
  /// Loads a model or engine file. unsupported when an input or output is no tensor, or of a type that the protocol lacks.
  static Result<std::unique_ptr<Model>> load(const ModelFile& file, const Options& options, Metrics& metrics);

  const ModelSpec& spec() const { return spec_; }
  SessionQueue& queue() const { return *queue_; }

 private:
  Model() = default;

  ModelSpec spec_;
  std::shared_ptr<engine::Engine> engine_;
  std::unique_ptr<SessionQueue> queue_;
};

}  // namespace slipway::serve
