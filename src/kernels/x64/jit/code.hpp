// Executable code: a compiled Program on its own pages, which are written first and executable after, never both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.hpp"
#include "kernels/x64/jit/program.hpp"

namespace slipway::jit {

/// A compiled function; unmaps itself. Immutable and callable from any thread.
class Code {
 public:
  using Function = void (*)(const void* args);

  Code() = default;
  ~Code();
  Code(Code&& other) noexcept;
  Code& operator=(Code&& other) noexcept;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  Function entry() const { return entry_; }
  void operator()(const void* args) const { entry_(args); }
  /// The instructions alone, without the constants before them.
  std::span<const uint8_t> bytes() const { return {reinterpret_cast<const uint8_t*>(entry_), code_bytes_}; }
  /// Virtual registers that live on the stack.
  int spill_count() const { return spills_; }

 private:
  friend Result<Code> compile(const Program& program);
  void* pages_ = nullptr;
  size_t page_bytes_ = 0;
  size_t code_bytes_ = 0;
  Function entry_ = nullptr;
  int spills_ = 0;
};

/// Encodes for program.isa(). `unsupported` when the system refuses executable memory or the knob SLIPWAY_JIT is off: portable
/// kernels serve then. With the knob SLIPWAY_PERF_MAP a line a function goes to /tmp/perf-PID.map.
Result<Code> compile(const Program& program);

/// Whether compile() can work on this machine at all; found out once. Tactics that need jitted code ask before they accept.
bool available();

}  // namespace slipway::jit
