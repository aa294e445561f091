// Einsum: its equation, read against the ranks of the operands.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "ir/attrs.hpp"

namespace slipway::ops {

struct EinsumAttrs {
  std::string equation;
  bool operator==(const EinsumAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("equation", &EinsumAttrs::equation, true)}; }
};

/// Every axis of every operand as a label: letters as themselves, the axes of an ellipsis as '0', '1', ...
struct EinsumTerms {
  std::vector<std::string> inputs;
  std::string output;
};

/// Errors name what is wrong with the equation.
Result<EinsumTerms> read_equation(const std::string& equation, const std::vector<size_t>& ranks);

}  // namespace slipway::ops
