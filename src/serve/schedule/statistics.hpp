// What a model has done since it was loaded: counts and summed times.
#pragma once

#include <cstdint>

namespace slipway::serve {

struct Duration {
  uint64_t count = 0, ns = 0;

  void add(uint64_t elapsed_ns) {
    ++count;
    ns += elapsed_ns;
  }
};

struct Statistics {
  uint64_t last_inference_ms = 0;                                ///< since the epoch
  Duration success, fail;                                        ///< whole requests
  Duration queue, compute_input, compute_infer, compute_output;  ///< of the successful ones
};

/// The parts of one successful request, in nanoseconds.
struct RequestTimes {
  uint64_t queue = 0, input = 0, infer = 0, output = 0;

  uint64_t total() const { return queue + input + infer + output; }
};

enum class FailureReason : uint8_t { rejected, cancelled, backend, other };

}  // namespace slipway::serve
