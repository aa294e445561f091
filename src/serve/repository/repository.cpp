#include "serve/repository/repository.hpp"

#include <new>

#include "base/format.hpp"
#include "base/log.hpp"
#include "serve/repository/folder.hpp"

namespace slipway::serve {

Repository::Repository(Options options, Metrics& metrics)
    : options_(std::move(options)), metrics_(metrics), thread_([this] { work(); }) {}

Repository::~Repository() {
  std::map<std::string, Slot, std::less<>>().swap(slots_);
  {
    const std::lock_guard lock(work_mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Status Repository::add(ModelFile file) {
  const std::lock_guard lock(mutex_);
  const std::string name = file.name;
  if (files_.emplace(name, std::move(file)).second) return {};
  return fail(ErrorCode::invalid_argument, "two models are called '{}'; give each its own name", name);
}

Result<ModelFile> Repository::locate(const std::string& name) const {
  {
    const std::shared_lock lock(mutex_);
    if (const auto found = files_.find(name); found != files_.end()) return found->second;
  }
  if (!options_.folder.empty()) {
    for (FolderEntry& entry : TRY(scan_models(options_.folder))) {
      if (entry.file.name != name) continue;
      if (!entry.fault.empty()) return Error(ErrorCode::invalid_model, std::move(entry.fault));
      return std::move(entry.file);
    }
  }
  return fail(ErrorCode::not_found, "there is no model '{}' to load{}", name,
              options_.folder.empty() ? "" : " in " + options_.folder.string());
}

Status Repository::load(const std::string& name) {
  const ModelFile file = TRY(locate(name));
  {
    const std::lock_guard lock(mutex_);
    slots_[name].loading = true;
  }
  Result<std::unique_ptr<Model>> fresh = fail(ErrorCode::unavailable, "there is not enough memory to load model '{}'", name);
  try {
    fresh = Model::load(file, options_.model, metrics_);
  } catch (const std::bad_alloc&) {  // stays the error above
  }
  std::shared_ptr<const Model> former;  // ends outside the lock
  std::shared_ptr<const Model> adopted = fresh ? adopt(std::move(fresh).value()) : nullptr;
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[name];
  slot.loading = false;
  slot.reason = adopted != nullptr ? "" : fresh.error().text();
  if (adopted == nullptr) return std::move(fresh).error();
  former = std::exchange(slot.model, std::move(adopted));
  return {};
}

Status Repository::unload(const std::string& name) {
  std::shared_ptr<const Model> former;  // ends outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = slots_.find(name);
  if (found == slots_.end() || found->second.model == nullptr)
    return fail(ErrorCode::not_found, "there is no model '{}' to unload", name);
  former = std::exchange(found->second.model, nullptr);
  found->second.reason = "unloaded";
  return {};
}

void Repository::request_load(std::string name, Done done) {
  post([this, name = std::move(name), done = std::move(done)] { done(load(name)); });
}

void Repository::request_unload(std::string name, Done done) {
  post([this, name = std::move(name), done = std::move(done)] { done(unload(name)); });
}

std::shared_ptr<const Model> Repository::find(std::string_view name, std::string_view version) const {
  const std::shared_lock lock(mutex_);
  const auto found = slots_.find(name);
  if (found == slots_.end() || found->second.model == nullptr) return nullptr;
  if (!version.empty() && found->second.model->spec().version != version) return nullptr;
  return found->second.model;
}

std::vector<std::shared_ptr<const Model>> Repository::loaded() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const Model>> out;
  for (const auto& [name, slot] : slots_) {
    if (slot.model != nullptr) out.push_back(slot.model);
  }
  return out;
}

Result<std::vector<IndexEntry>> Repository::index() const {
  std::map<std::string, IndexEntry> known;
  if (!options_.folder.empty()) {
    for (FolderEntry& entry : TRY(scan_models(options_.folder))) {
      known[entry.file.name] = {entry.file.name, entry.file.version, ModelState::unavailable, std::move(entry.fault)};
    }
  }
  const std::shared_lock lock(mutex_);
  for (const auto& [name, file] : files_) known[name] = {name, file.version, ModelState::unavailable, ""};
  for (const auto& [name, slot] : slots_) {
    IndexEntry& entry = known[name];
    entry.name = name;
    if (!slot.reason.empty()) entry.reason = slot.reason;
    if (slot.loading) entry.state = ModelState::loading;
    if (slot.model == nullptr) continue;
    entry.version = slot.model->spec().version;
    entry.state = ModelState::ready;
  }
  std::vector<IndexEntry> out;
  for (auto& [name, entry] : known) out.push_back(std::move(entry));
  return out;
}

/// The last user of a model hands it to the repository's thread: a model's end waits for its sessions, and one of them may be it.
std::shared_ptr<const Model> Repository::adopt(std::unique_ptr<const Model> model) {
  return {model.release(), [this](const Model* ended) { post([ended] { delete ended; }); }};
}

void Repository::post(std::function<void()> work) {
  {
    const std::lock_guard lock(work_mutex_);
    work_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Repository::work() {
  std::unique_lock lock(work_mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return ending_ || !work_.empty(); });
    if (work_.empty()) return;
    const std::function<void()> next = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    next();
    lock.lock();
  }
}

}  // namespace slipway::serve
