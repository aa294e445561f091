// The ISA levels that this machine can run, for tests that take each in turn.
#pragma once

#include <initializer_list>
#include <vector>

#include "base/cpu.hpp"

namespace slipway {

inline std::vector<Isa> runnable(std::initializer_list<Isa> wanted = {Isa::avx2, Isa::avx512}) {
  std::vector<Isa> out;
  for (const Isa isa : wanted) {
    if (isa <= detected_isa()) out.push_back(isa);
  }
  return out;
}

}  // namespace slipway
