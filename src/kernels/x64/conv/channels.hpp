// Blocks of channels; a constant of one value a channel, continued with zeros to whole blocks of 16 (the lanes beyond are
// computed too).
#pragma once

#include "kernels/x64/eltwise/tail.hpp"

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

inline tactic::Packing pack_channels(int64_t channels, ElementType type = ElementType::f32) {
  return eltwise::pack_channels(type, channels, blocks_of(channels) * kBlock);
}

}  // namespace slipway::conv
