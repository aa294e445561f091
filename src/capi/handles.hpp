// What the opaque handles of slipway.h hold, and the guard that no exception passes.
#pragma once

#include <slipway/slipway.h>

#include <atomic>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "engine/engine.hpp"

struct slipway_options {
  slipway::engine::Options options;
};

struct slipway_engine {
  explicit slipway_engine(std::shared_ptr<slipway::engine::Engine> made);
  std::shared_ptr<slipway::engine::Engine> engine;
  std::vector<std::string> texts;  ///< of the inputs, then of the outputs
  std::vector<slipway_port> inputs, outputs;
};

struct slipway_session {
  std::shared_ptr<slipway::engine::Engine> engine;
  std::unique_ptr<slipway::runtime::Session> session;
  std::vector<slipway::ir::Value> inputs, outputs;
  std::vector<std::vector<const char*>> strings;  ///< what `data` of string outputs points to
};

struct slipway_cancel {
  std::atomic<bool> requested{false};
};

namespace slipway::capi {

/// Keeps the sentence for slipway_last_error of this thread; gives the status.
slipway_status failed(slipway_status status, const char* text) noexcept;
slipway_status failed(const Error& error) noexcept;

/// Runs `work` (a function that gives a Status) and turns its error or exception into a status.
template <class Work>
slipway_status guard(const Work& work) noexcept {
  try {
    const Status status = work();
    return status ? SLIPWAY_OK : failed(status.error());
  } catch (const std::bad_alloc&) {
    return failed(SLIPWAY_NO_MEMORY, "there is not enough memory");
  } catch (const std::exception& error) {
    return failed(SLIPWAY_INTERNAL, error.what());
  } catch (...) {
    return failed(SLIPWAY_INTERNAL, "an unknown exception");
  }
}

}  // namespace slipway::capi
