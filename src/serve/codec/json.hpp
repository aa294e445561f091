// JSON from a hostile sender: parsed iteratively, with caps on depth and on values kept. The "data" arrays of an inference
// request, which may be as large as the body, are not kept: their places are noted, and they are read later into tensors.
#pragma once

#include <rapidjson/document.h>

#include <optional>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/tensor.hpp"

namespace slipway::serve {

constexpr int kMaxJsonDepth = 100;
constexpr size_t kMaxJsonValues = 65536;

/// The text of one "data" array and how many scalars stand in it.
struct DataArray {
  std::string_view text;
  int64_t count = 0;
};

struct InferJson {
  rapidjson::Document document;
  std::vector<std::optional<DataArray>> data;  ///< by position in "inputs"
};

Result<InferJson> parse_infer_json(std::string_view text);
/// Any other JSON text, under the same caps.
Result<rapidjson::Document> parse_json(std::string_view text);
/// Reads a "data" array, nested or flat, into a tensor of exactly its count. Error: an element does not fit the type.
Status read_data(const DataArray& data, Tensor& tensor);

}  // namespace slipway::serve
