// render_infer: from results to the bytes of a reply.
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "serve/codec/infer.hpp"

namespace slipway::serve {
namespace {

Status append_string(std::string& out, std::string_view text) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>, rapidjson::CrtAllocator,
                    rapidjson::kWriteValidateEncodingFlag>
      writer(buffer);
  if (!writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()))) {
    return fail(ErrorCode::invalid_argument,
                "an element is not UTF-8 text, which JSON cannot carry; ask for it with binary_data");
  }
  out.append(buffer.GetString(), buffer.GetSize());
  return {};
}

/// What JSON and comparisons see of an element: 16-bit floats as float.
template <class T>
auto number_of(T value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return value;
  } else {
    return static_cast<float>(value);
  }
}

template <class T>
void append_number(std::string& out, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) {
      out += "NaN";
      return;
    }
    if (std::isinf(value)) {
      out += value < 0 ? "-Infinity" : "Infinity";
      return;
    }
  }
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

Status append_data(std::string& out, const Tensor& tensor) {
  const int64_t count = tensor.count();
  if (tensor.type() == ElementType::string) {
    for (int64_t i = 0; i < count; ++i) {
      if (i != 0) out += ',';
      TRY(append_string(out, tensor.as<std::string>()[i]));
    }
    return {};
  }
  with_type(tensor.type(), [&]<class T>() {
    const T* values = tensor.as<T>();
    for (int64_t i = 0; i < count; ++i) {
      if (i != 0) out += ',';
      if constexpr (std::is_same_v<T, bool>) {
        out += values[i] ? "true" : "false";
      } else {
        append_number(out, number_of(values[i]));
      }
    }
  });
  return {};
}

size_t append_binary(std::string& out, const Tensor& tensor) {
  const size_t before = out.size();
  if (tensor.type() != ElementType::string) {
    out.append(static_cast<const char*>(tensor.data()), tensor.bytes());
    return out.size() - before;
  }
  for (const std::string& text : std::span(tensor.as<std::string>(), static_cast<size_t>(tensor.count()))) {
    const auto length = static_cast<uint32_t>(text.size());
    out.append(reinterpret_cast<const char*>(&length), sizeof length);
    out += text;
  }
  return out.size() - before;
}

/// Greater values first, not-a-numbers last, equals by index.
template <class T>
bool ranks_before(T left, T right, int64_t left_index, int64_t right_index) {
  const bool left_nan = left != left, right_nan = right != right;
  if (left_nan != right_nan) return right_nan;
  if (left > right || left < right) return left > right;
  return left_index < right_index;
}

template <class T>
void classify_row(const T* row, std::vector<int64_t>& order, std::span<std::string> best) {
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(best.size()), order.end(),
                    [&](int64_t a, int64_t b) { return ranks_before(number_of(row[a]), number_of(row[b]), a, b); });
  for (size_t k = 0; k < best.size(); ++k) {
    const auto value = number_of(row[order[k]]);
    if constexpr (std::is_floating_point_v<decltype(value)>) {
      best[k] = fmt::format("{:f}:{}", value, order[k]);
    } else {
      best[k] = fmt::format("{}:{}", +value, order[k]);
    }
  }
}

/// The classification extension: per row (the first extent counts rows from rank 2 on) the greatest values as "value:index".
Tensor classify(const Tensor& tensor, int64_t classes) {
  const int64_t rows = tensor.dims().rank() < 2 ? 1 : tensor.dims()[0];
  const int64_t columns = rows == 0 ? 0 : tensor.count() / rows;
  const int64_t kept = std::min(classes, columns);
  Tensor out(ElementType::string, tensor.dims().rank() < 2 ? Dims{kept} : Dims{rows, kept});
  std::vector<int64_t> order(static_cast<size_t>(columns));
  with_type(tensor.type(), [&]<class T>() {
    for (int64_t r = 0; r < rows; ++r) {
      classify_row(tensor.as<T>() + r * columns, order, std::span(out.as<std::string>() + r * kept, static_cast<size_t>(kept)));
    }
  });
  return out;
}

}  // namespace

Result<InferReply> render_infer(const InferRequest& request, const ModelSpec& model, std::span<const ir::Value> results) {
  InferReply reply;
  std::string& json = reply.body;
  std::string binary;
  bool any_binary = false;
  json = "{\"model_name\":";
  TRY(append_string(json, model.name));
  json += ",\"model_version\":";
  TRY(append_string(json, model.version));
  if (!request.id.empty()) {
    json += ",\"id\":";
    TRY(append_string(json, request.id));
  }
  json += ",\"outputs\":[";
  for (const RequestedOutput& wanted : request.outputs) {
    const TensorSpec& spec = model.outputs[wanted.index];
    const Tensor* result = results[wanted.index].tensor();
    if (result == nullptr)
      return fail(ErrorCode::unsupported, "output '{}' is not a tensor this time and cannot be sent", spec.name);
    const Tensor tensor = wanted.classes > 0 ? classify(*result, wanted.classes) : *result;
    json += json.back() == '[' ? "{\"name\":" : ",{\"name\":";
    TRY(append_string(json, spec.name));
    json += fmt::format(",\"datatype\":\"{}\",\"shape\":", datatype_name(tensor.type()));
    json += extents_text(std::span(tensor.dims().begin(), tensor.dims().end()));
    if (wanted.binary) {
      any_binary = true;
      json += fmt::format(",\"parameters\":{{\"binary_data_size\":{}}}}}", append_binary(binary, tensor));
    } else {
      json += ",\"data\":[";
      Status done = append_data(json, tensor);
      if (!done) return std::move(done).error().with(fmt::format("while writing output '{}'", spec.name));
      json += "]}";
    }
  }
  json += "]}";
  if (any_binary) reply.json_bytes = json.size();
  json += binary;
  return reply;
}

}  // namespace slipway::serve
