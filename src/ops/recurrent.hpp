// Attributes of LSTM, GRU and RNN.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "ir/attrs.hpp"

namespace slipway::ops {

/// layout 0: X [seq, batch, input], states [directions, batch, hidden]; layout 1: batch first. Gates in the order i, o, f, c.
/// `activations`: 3 per direction (f, g, h), empty means Sigmoid, Tanh, Tanh; names compare without case.
struct LstmAttrs {
  std::vector<float> activation_alpha, activation_beta;
  std::vector<std::string> activations;
  std::optional<float> clip;
  std::string direction = "forward";  ///< forward | reverse | bidirectional
  std::optional<int64_t> hidden_size;
  bool input_forget = false;
  int64_t layout = 0;
  bool operator==(const LstmAttrs&) const = default;
  static constexpr auto fields() {
    using A = LstmAttrs;
    return std::tuple{ir::field("activation_alpha", &A::activation_alpha),
                      ir::field("activation_beta", &A::activation_beta),
                      ir::field("activations", &A::activations),
                      ir::field("clip", &A::clip),
                      ir::field("direction", &A::direction),
                      ir::field("hidden_size", &A::hidden_size),
                      ir::field("input_forget", &A::input_forget),
                      ir::field("layout", &A::layout)};
  }
};

/// Gates in the order z, r, h; 2 activations per direction (f, g), empty means Sigmoid, Tanh.
struct GruAttrs {
  std::vector<float> activation_alpha, activation_beta;
  std::vector<std::string> activations;
  std::optional<float> clip;
  std::string direction = "forward";
  std::optional<int64_t> hidden_size;
  int64_t layout = 0;
  bool linear_before_reset = false;
  bool operator==(const GruAttrs&) const = default;
  static constexpr auto fields() {
    using A = GruAttrs;
    return std::tuple{ir::field("activation_alpha", &A::activation_alpha),
                      ir::field("activation_beta", &A::activation_beta),
                      ir::field("activations", &A::activations),
                      ir::field("clip", &A::clip),
                      ir::field("direction", &A::direction),
                      ir::field("hidden_size", &A::hidden_size),
                      ir::field("layout", &A::layout),
                      ir::field("linear_before_reset", &A::linear_before_reset)};
  }
};

/// 1 activation per direction, empty means Tanh.
struct RnnAttrs {
  std::vector<float> activation_alpha, activation_beta;
  std::vector<std::string> activations;
  std::optional<float> clip;
  std::string direction = "forward";
  std::optional<int64_t> hidden_size;
  int64_t layout = 0;
  bool operator==(const RnnAttrs&) const = default;
  static constexpr auto fields() {
    using A = RnnAttrs;
    return std::tuple{ir::field("activation_alpha", &A::activation_alpha),
                      ir::field("activation_beta", &A::activation_beta),
                      ir::field("activations", &A::activations),
                      ir::field("clip", &A::clip),
                      ir::field("direction", &A::direction),
                      ir::field("hidden_size", &A::hidden_size),
                      ir::field("layout", &A::layout)};
  }
};

}  // namespace slipway::ops
