// The models that a server offers, by name; each one version "1", ready from the moment it is listed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "serve/schedule/session_queue.hpp"

namespace slipway::serve {

class Model {
 public:
  struct Options {
    engine::Options engine;
    QueueOptions queue;
  };
  /// Loads a model or engine file. unsupported when an input or output is no tensor, or of a type that the protocol lacks.
  static Result<std::unique_ptr<Model>> load(const std::string& name, const std::string& path, const Options& options,
                                             Metrics& metrics);

  const ModelSpec& spec() const { return spec_; }
  SessionQueue& queue() const { return *queue_; }

 private:
  Model() = default;

  ModelSpec spec_;
  std::shared_ptr<engine::Engine> engine_;
  std::unique_ptr<SessionQueue> queue_;
};

/// Filled before serving, read-only (and so thread-safe) from then on.
class Repository {
 public:
  /// invalid_argument when the name is taken.
  Status add(std::unique_ptr<Model> model);
  /// Null when there is none; an empty version means any.
  const Model* find(std::string_view name, std::string_view version) const;
  const std::map<std::string, std::unique_ptr<Model>, std::less<>>& models() const { return models_; }

 private:
  std::map<std::string, std::unique_ptr<Model>, std::less<>> models_;
};

}  // namespace slipway::serve
