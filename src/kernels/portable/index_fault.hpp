// What a kernel says of an index that is out of range.
#pragma once

#include <cinttypes>
#include <cstdio>
#include <string>

#include "tactic/tactic.hpp"

namespace slipway::kernels {

/// Position of an index that may count from the end; an index outside [-extent, extent) sets `bad` and becomes 0.
inline int64_t position(int64_t index, int64_t extent, bool& bad) {
  const int64_t at = index < 0 ? index + extent : index;
  const bool inside = static_cast<uint64_t>(at) < static_cast<uint64_t>(extent);
  bad = bad || !inside;
  return inside ? at : 0;
}

inline tactic::Fault index_fault(const tactic::Exec& exec, const char* op, int64_t index, int64_t extent) {
  char text[200];
  std::snprintf(text, sizeof(text), "index %" PRId64 " of %s is outside [-%" PRId64 ", %" PRId64 ")", index, op, extent, extent);
  exec.fault_text->assign(text);
  return tactic::Fault::index_out_of_range;
}

}  // namespace slipway::kernels
