#include "base/dims.hpp"

namespace slipway {

std::string to_string(const Dims& dims) {
  if (dims.empty()) return "scalar";
  std::string out;
  for (int64_t d : dims) {
    if (!out.empty()) out += 'x';
    out += std::to_string(d);
  }
  return out;
}

int64_t checked_count(std::span<const int64_t> extents, int64_t limit) {
  int64_t n = 1;
  bool zero = false;
  for (int64_t d : extents) {
    if (d < 0) return -1;
    if (d == 0) {
      zero = true;
      continue;
    }
    if (n > limit / d) return -1;
    n *= d;
  }
  return zero ? 0 : n;
}

}  // namespace slipway
