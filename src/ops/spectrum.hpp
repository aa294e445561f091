// What DFT and STFT are told, for their reference and their kernels.
#pragma once

#include <algorithm>
#include <tuple>

#include "ir/attrs.hpp"

namespace slipway::ops {

struct DftAttrs {
  bool inverse = false;
  bool onesided = false;
  bool operator==(const DftAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("inverse", &DftAttrs::inverse), ir::field("onesided", &DftAttrs::onesided)};
  }
  /// Extent of the transformed axis in the output.
  int64_t bins(int64_t length) const { return onesided && !inverse ? length / 2 + 1 : length; }
  /// Values transformed together when dft_length is not said.
  int64_t length_of(int64_t extent) const { return onesided && inverse ? std::max<int64_t>(2 * (extent - 1), 0) : extent; }
};

struct StftAttrs {
  bool onesided = true;
  bool operator==(const StftAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("onesided", &StftAttrs::onesided)}; }
  int64_t bins(int64_t length) const { return onesided ? length / 2 + 1 : length; }
};

}  // namespace slipway::ops
