// The models that a server offers, by name: loaded, replaced and taken away while it serves.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>

#include "serve/repository/model.hpp"

namespace slipway::serve {

enum class ModelState : uint8_t { ready, loading, unavailable };

/// A line of the repository index.
struct IndexEntry {
  std::string name, version;
  ModelState state = ModelState::unavailable;
  std::string reason;  ///< why it is not ready
};

/// Thread-safe. Models are loaded on request, and end, on one thread of its own: both may take long. Outlives its models' users.
class Repository {
 public:
  struct Options {
    Model::Options model;
    std::filesystem::path folder;  ///< of models that may be loaded by name; empty: none
  };
  using Done = std::function<void(Status)>;

  Repository(Options options, Metrics& metrics);
  ~Repository();
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  /// Makes a model outside the folder known. invalid_argument when the name is taken.
  Status add(ModelFile file);
  /// Loads what is known by that name, on the caller's thread; what served before is replaced when that succeeds, and kept when
  /// it fails. not_found when nothing has that name.
  Status load(const std::string& name);
  /// Takes the model away; requests that it has accepted are still answered. not_found when it is not loaded.
  Status unload(const std::string& name);
  /// load() and unload() on the thread of the repository, where `done` is called.
  void request_load(std::string name, Done done);
  void request_unload(std::string name, Done done);

  /// The loaded model; null when there is none. An empty version means any.
  std::shared_ptr<const Model> find(std::string_view name, std::string_view version) const;
  /// Every loaded model, by name.
  std::vector<std::shared_ptr<const Model>> loaded() const;
  /// Everything known, loaded or not. io error when the folder cannot be read.
  Result<std::vector<IndexEntry>> index() const;

 private:
  struct Slot {
    std::shared_ptr<const Model> model;
    bool loading = false;
    std::string reason;
  };

  Result<ModelFile> locate(const std::string& name) const;
  std::shared_ptr<const Model> adopt(std::unique_ptr<const Model> model);
  void post(std::function<void()> work);
  void work();

  const Options options_;
  Metrics& metrics_;
  mutable std::shared_mutex mutex_;  // guards the two maps
  std::map<std::string, ModelFile, std::less<>> files_;
  std::map<std::string, Slot, std::less<>> slots_;

  std::mutex work_mutex_;  // guards the two below
  std::deque<std::function<void()>> work_;
  bool ending_ = false;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace slipway::serve
