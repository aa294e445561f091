// Fields of a protobuf message: protozero's reader with the checks that it leaves to assertions. Throws protozero::exception;
// every entry of this folder catches it (see guarded()).
#pragma once

#include <protozero/pbf_reader.hpp>

#include <bit>
#include <string_view>
#include <vector>

#include "base/format.hpp"

namespace slipway::import::onnx {

/// Bytes of the file; alive as long as the file's owner.
using Text = std::string_view;

struct WrongWireType : protozero::exception {
  const char* what() const noexcept override { return "a field has the wrong wire type"; }
};

class Fields {
 public:
  explicit Fields(Text message) : reader_(message.data(), message.size()) {}

  /// Moves to the next field; a field that was not read is passed over.
  bool next() {
    if (pending_) reader_.skip();
    pending_ = reader_.next();
    return pending_;
  }
  uint32_t tag() const { return reader_.tag(); }
  /// The present field carries bytes (a string, a message or packed numbers).
  bool is_bytes() const { return reader_.wire_type() == protozero::pbf_wire_type::length_delimited; }

  Text bytes() {
    expect(protozero::pbf_wire_type::length_delimited);
    const protozero::data_view view = reader_.get_view();
    return {view.data(), view.size()};
  }
  int64_t integer() {
    expect(protozero::pbf_wire_type::varint);
    return reader_.get_int64();
  }
  float f32() {
    expect(protozero::pbf_wire_type::fixed32);
    return std::bit_cast<float>(reader_.get_fixed32());
  }
  double f64() {
    expect(protozero::pbf_wire_type::fixed64);
    return std::bit_cast<double>(reader_.get_fixed64());
  }

  /// Calls f(int64_t) for each number of a repeated integer field, packed or not.
  template <class F>
  void integers(F&& f) {
    if (!is_bytes()) return f(integer());
    const Text packed = bytes();
    const char* at = packed.data();
    const char* const end = at + packed.size();
    while (at != end) f(static_cast<int64_t>(protozero::decode_varint(&at, end)));
  }
  void floats(std::vector<float>& out) {
    if (!is_bytes()) return out.push_back(f32());
    const Text packed = bytes();
    if (packed.size() % sizeof(float) != 0) throw protozero::invalid_length_exception{};
    const size_t old = out.size();
    out.resize(old + packed.size() / sizeof(float));
    if (!packed.empty()) std::memcpy(out.data() + old, packed.data(), packed.size());
  }

 private:
  void expect(protozero::pbf_wire_type type) {
    if (reader_.wire_type() != type) throw WrongWireType{};
    pending_ = false;
  }

  protozero::pbf_reader reader_;
  bool pending_ = false;
};

/// Calls f() and turns a protobuf exception into an invalid_model error that says what was being read.
template <class F>
auto guarded(std::string_view what, F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const protozero::exception& broken) {
    return fail(ErrorCode::invalid_model, "{} is damaged or is not ONNX: {}", what, broken.what());
  }
}

}  // namespace slipway::import::onnx
