#include "engine/checksum.hpp"

#include <cstring>

namespace slipway::engine {
namespace {

uint64_t fold(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

uint64_t checksum(std::span<const std::byte> bytes) {
  constexpr uint64_t kOdd[4] = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9, 0xd6e8feb86659fd93};
  uint64_t lane[4] = {kOdd[1], kOdd[2], kOdd[3], kOdd[0]};
  size_t at = 0;
  const auto word = [&](size_t offset, size_t count) {
    uint64_t w = 0;
    std::memcpy(&w, bytes.data() + offset, count);
    return w;
  };
  for (; at + 32 <= bytes.size(); at += 32) {
    for (size_t i = 0; i < 4; ++i) lane[i] = fold(lane[i] ^ word(at + 8 * i, 8), kOdd[i]) + kOdd[i];
  }
  for (size_t i = 0; at < bytes.size(); ++i) {
    const size_t count = bytes.size() - at < 8 ? bytes.size() - at : 8;
    lane[i] = fold(lane[i] ^ word(at, count), kOdd[i]) + count;
    at += count;
  }
  uint64_t sum = bytes.size();
  for (size_t i = 0; i < 4; ++i) sum = fold(sum ^ lane[i], kOdd[i]);
  return sum;
}

}  // namespace slipway::engine
