// A constant of one value a channel, continued with zeros to whole blocks of 16 (the lanes beyond are computed too).
#pragma once

#include <cstring>

#include "tactic/tactic.hpp"

namespace slipway::conv {

inline tactic::Packing pack_channels(int64_t channels) {
  tactic::Packing packing;
  packing.recipe = "channels/f32/16";
  packing.bytes = static_cast<size_t>((channels + 15) / 16 * 16) * sizeof(float);
  packing.pack = [bytes = packing.bytes](const Tensor& from, std::byte* to) {
    std::memset(to, 0, bytes);
    std::memcpy(to, from.data(), from.bytes());
  };
  packing.unpack = [](const std::byte* from, Tensor& to) { std::memcpy(to.data(), from, to.bytes()); };
  return packing;
}

}  // namespace slipway::conv
