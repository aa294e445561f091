// The .pb files of ONNX's test layout: one TensorProto, SequenceProto, OptionalProto or MapProto, read as a Value.
#pragma once

#include <string>
#include <string_view>

#include "base/mapped_file.hpp"
#include "ir/value.hpp"

namespace slipway::ir {
struct Fact;
}

namespace slipway::import::onnx {

/// The file's tensor, a view of the file where alignment allows it. External data is refused.
Result<Tensor> read_tensor(const FileBytes& file);
/// The message does not say what it is: `fact` tells whether it is a tensor, sequence, map or optional of them. A fact of unknown
/// kind is read as a tensor.
Result<ir::Value> read_value(const FileBytes& file, const ir::Fact& fact);
/// A TensorProto with raw data (strings as string data).
std::string write_tensor(const Tensor& tensor, std::string_view name = {});
/// The message of any value: a TensorProto, SequenceProto or MapProto; nothing is an OptionalProto without element.
std::string write_value(const ir::Value& value, std::string_view name = {});

}  // namespace slipway::import::onnx
