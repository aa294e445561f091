// Attributes of the activations that have any. Names, meaning and defaults are ONNX's.
#pragma once

#include <string>

#include "ops/op.hpp"

namespace slipway::ops {

struct LeakyReluAttrs {
  float alpha = 0.01f;
  bool operator==(const LeakyReluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &LeakyReluAttrs::alpha)}; }
};

struct EluAttrs {
  float alpha = 1;
  bool operator==(const EluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &EluAttrs::alpha)}; }
};

struct CeluAttrs {
  float alpha = 1;
  bool operator==(const CeluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &CeluAttrs::alpha)}; }
};

struct SeluAttrs {
  float alpha = 1.67326319217681884765625f;
  float gamma = 1.05070102214813232421875f;
  bool operator==(const SeluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &SeluAttrs::alpha), field("gamma", &SeluAttrs::gamma)}; }
};

struct ThresholdedReluAttrs {
  float alpha = 1;
  bool operator==(const ThresholdedReluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &ThresholdedReluAttrs::alpha)}; }
};

/// clamp(alpha * x + beta, 0, 1)
struct HardSigmoidAttrs {
  float alpha = 0.2f;
  float beta = 0.5f;
  bool operator==(const HardSigmoidAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &HardSigmoidAttrs::alpha), field("beta", &HardSigmoidAttrs::beta)};
  }
};

/// x * sigmoid(alpha * x)
struct SwishAttrs {
  float alpha = 1;
  bool operator==(const SwishAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &SwishAttrs::alpha)}; }
};

struct ShrinkAttrs {
  float bias = 0;
  float lambd = 0.5f;
  bool operator==(const ShrinkAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("bias", &ShrinkAttrs::bias), field("lambd", &ShrinkAttrs::lambd)}; }
};

}  // namespace slipway::ops
