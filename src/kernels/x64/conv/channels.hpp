// Blocks of channels; a constant of one value a channel, continued with zeros to whole blocks of 16 (the lanes beyond are
// computed too).
#pragma once

#include <cstring>

#include "tactic/tactic.hpp"

namespace slipway::conv {

/// Channels side by side in blocked16.
constexpr int64_t kBlock = 16;

inline int64_t blocks_of(int64_t channels) {
  return (channels + kBlock - 1) / kBlock;
}
/// Channels to compute: an upper half block that holds none is left out.
inline int64_t whole_halves(int64_t channels) {
  return (channels + 7) / 8 * 8;
}

inline tactic::Packing pack_channels(int64_t channels) {
  tactic::Packing packing;
  packing.recipe = "channels/f32/16";
  packing.bytes = static_cast<size_t>(blocks_of(channels) * kBlock) * sizeof(float);
  packing.pack = [bytes = packing.bytes](const Tensor& from, std::byte* to) {
    std::memset(to, 0, bytes);
    std::memcpy(to, from.data(), from.bytes());
  };
  packing.unpack = [](const std::byte* from, Tensor& to) { std::memcpy(to.data(), from, to.bytes()); };
  return packing;
}

}  // namespace slipway::conv
