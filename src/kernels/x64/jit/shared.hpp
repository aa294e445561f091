// Compiled things shared by everyone who asks for the same while one of them is alive.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.hpp"

namespace slipway::jit {

/// Thread-safe.
template <class T>
class Shared {
 public:
  /// The living T of this text, else what `make` gives: a Result<std::shared_ptr<const T>>.
  template <class Make>
  Result<std::shared_ptr<const T>> get(const std::string& text, Make make) {
    const std::lock_guard lock(mutex_);
    if (const auto found = known_.find(text); found != known_.end()) {
      if (auto living = found->second.lock()) return living;
    }
    std::shared_ptr<const T> made = TRY(make());
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    known_[text] = made;
    return made;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const T>> known_;
};

}  // namespace slipway::jit
