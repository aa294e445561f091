// A fast 64-bit checksum against damage (not against malice): four independent multiply-and-fold lanes over 32-byte blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace slipway::engine {

uint64_t checksum(std::span<const std::byte> bytes);

}  // namespace slipway::engine
