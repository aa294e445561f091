// Attributes of MaxPool, AveragePool, LpPool and GlobalLpPool. (GlobalAveragePool and GlobalMaxPool have none.)
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "ir/attrs.hpp"
#include "ops/window.hpp"

namespace slipway::ops {

struct MaxPoolAttrs {
  std::string auto_pad = "NOTSET";
  bool ceil_mode = false;
  std::vector<int64_t> kernel_shape, strides, dilations, pads;
  int64_t storage_order = 0;  ///< 1: Indices count the spatial axes column-major
  bool operator==(const MaxPoolAttrs&) const = default;
  static constexpr auto fields() {
    using A = MaxPoolAttrs;
    return std::tuple{ir::field("auto_pad", &A::auto_pad),
                      ir::field("ceil_mode", &A::ceil_mode),
                      ir::field("kernel_shape", &A::kernel_shape, true),
                      ir::field("strides", &A::strides),
                      ir::field("dilations", &A::dilations),
                      ir::field("pads", &A::pads),
                      ir::field("storage_order", &A::storage_order)};
  }
  WindowSpec spec() const { return {auto_pad, kernel_shape, pads, strides, dilations, ceil_mode}; }
  Result<Window> window(const Dims& x) const { return make_window(spec(), x); }
};

struct AveragePoolAttrs {
  std::string auto_pad = "NOTSET";
  bool ceil_mode = false;
  bool count_include_pad = false;  ///< the declared padding counts in the divisor (what ceil_mode adds never does)
  std::vector<int64_t> kernel_shape, strides, dilations, pads;
  bool operator==(const AveragePoolAttrs&) const = default;
  static constexpr auto fields() {
    using A = AveragePoolAttrs;
    return std::tuple{ir::field("auto_pad", &A::auto_pad),
                      ir::field("ceil_mode", &A::ceil_mode),
                      ir::field("count_include_pad", &A::count_include_pad),
                      ir::field("kernel_shape", &A::kernel_shape, true),
                      ir::field("strides", &A::strides),
                      ir::field("dilations", &A::dilations),
                      ir::field("pads", &A::pads)};
  }
  WindowSpec spec() const { return {auto_pad, kernel_shape, pads, strides, dilations, ceil_mode}; }
  Result<Window> window(const Dims& x) const { return make_window(spec(), x); }
};

struct LpPoolAttrs {
  std::string auto_pad = "NOTSET";
  bool ceil_mode = false;
  std::vector<int64_t> kernel_shape, strides, dilations, pads;
  float p = 2;
  bool operator==(const LpPoolAttrs&) const = default;
  static constexpr auto fields() {
    using A = LpPoolAttrs;
    return std::tuple{ir::field("auto_pad", &A::auto_pad),
                      ir::field("ceil_mode", &A::ceil_mode),
                      ir::field("kernel_shape", &A::kernel_shape, true),
                      ir::field("strides", &A::strides),
                      ir::field("dilations", &A::dilations),
                      ir::field("pads", &A::pads),
                      ir::field("p", &A::p)};
  }
  WindowSpec spec() const { return {auto_pad, kernel_shape, pads, strides, dilations, ceil_mode}; }
  Result<Window> window(const Dims& x) const { return make_window(spec(), x); }
};

struct GlobalLpPoolAttrs {
  float p = 2;
  bool operator==(const GlobalLpPoolAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("p", &GlobalLpPoolAttrs::p)}; }
};

/// How many positions of the window at output position `o` of an axis count in an average.
inline int64_t average_count(const WindowAxis& a, int64_t o, bool include_pad) {
  const int64_t begin = o * a.stride - a.pad_begin;
  const int64_t low = include_pad ? -a.pad_begin : 0, high = include_pad ? a.in + a.pad_end : a.in;
  int64_t n = 0;
  for (int64_t k = 0; k < a.kernel; ++k) n += begin + k * a.dilation >= low && begin + k * a.dilation < high ? 1 : 0;
  return n;
}

}  // namespace slipway::ops
