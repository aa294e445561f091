// What a model declares of one input or output, in the words of the KServe v2 protocol.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/element_type.hpp"

namespace slipway::serve {

/// Largest request body, and largest body after decompression.
constexpr size_t kMaxBodyBytes = size_t{64} << 20;

struct TensorSpec {
  std::string name;
  ElementType type = ElementType::undefined;
  std::optional<std::vector<int64_t>> shape;  ///< -1: any extent; nullopt: any rank
};

/// "FP32", "BYTES", ...; empty for a type that the protocol cannot carry.
std::string_view datatype_name(ElementType type);
/// "TYPE_FP32", "TYPE_STRING", ... as model configurations spell it.
std::string config_type_name(ElementType type);
/// "[1,3,-1]"; "any shape" without one.
std::string shape_text(const std::optional<std::vector<int64_t>>& shape);
std::string extents_text(std::span<const int64_t> extents);

}  // namespace slipway::serve
