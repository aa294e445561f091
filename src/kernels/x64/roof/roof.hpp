// The machine's own roofs, measured by jitted loops: multiply-add and dot-product peaks out of registers, and the read and copy
// bandwidth of each cache level and of memory. What profiles, reports and bench_roof hold times against.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/cpu.hpp"
#include "base/thread_pool.hpp"

namespace slipway::roof {

enum class Peak { fma, bf16_dot, u8s8_dot };
enum class Stream { read, copy };

/// Operations per second (multiply and add counted apart) of independent chains on all threads of the team: the best of several
/// goes within `seconds`. 0 when the machine lacks the instructions.
double peak_rate(Team& team, Isa isa, Peak peak, double seconds);
/// Bytes per second (a copy counts both directions) that all threads of the team move, each in `bytes` of its own. 0 below AVX2.
double stream_rate(Team& team, Isa isa, size_t bytes, Stream stream, double seconds);

/// One place where data may lie.
struct Level {
  std::string name;         ///< "L1", "L2", "L3", "memory"
  size_t bytes = 0;         ///< what a team of this size may keep there; memory: unbounded
  double bytes_per_us = 0;  ///< the better of read and copy
};

/// What bounds a step on a team of threads.
struct Roof {
  int threads = 1;
  double flops_per_us = 0;    ///< fp32 multiply-add
  std::vector<Level> levels;  ///< smallest first

  bool known() const { return flops_per_us > 0 && !levels.empty(); }
  /// The smallest level that holds `bytes`.
  const Level& holding(double bytes) const;
};
/// Measures in less than a second. On a machine without AVX2 the result is not known().
Roof measure(Team& team, Isa isa);

}  // namespace slipway::roof
