// One operator as a line of text: its name, its inputs' extents ('=' before a constant's, '-' where absent) and the attributes
// that differ from their defaults, as in `Conv 1x64x56x56 =64x64x3x3 =64 pads=1,1,1,1`. All tensors are f32.
#pragma once

#include <charconv>
#include <sstream>
#include <string>
#include <vector>

#include "base/format.hpp"
#include "ir/graph.hpp"
#include "ops/registry.hpp"

namespace slipway::bench {

struct LayerInput {
  Dims dims;
  bool constant = false, absent = false;
};

struct LayerLine {
  std::string op;
  std::vector<LayerInput> inputs;
  ir::Attrs attrs;
};

inline std::string print(const LayerLine& line) {
  std::string text = line.op;
  for (const LayerInput& in : line.inputs) {
    text += in.absent ? " -" : in.constant ? " =" : " ";
    for (int i = 0; !in.absent && i < in.dims.rank(); ++i) text += (i == 0 ? "" : "x") + std::to_string(in.dims[i]);
  }
  for (const ir::AttrEntry& e : line.attrs.entries()) {
    if (e.is_default) continue;
    std::string value;
    if (const auto* i = std::get_if<int64_t>(&e.value)) value = std::to_string(*i);
    if (const auto* f = std::get_if<float>(&e.value)) value = fmt::format("{}", *f);
    if (const auto* s = std::get_if<std::string>(&e.value)) value = *s;
    if (const auto* list = std::get_if<std::vector<int64_t>>(&e.value)) {
      for (const int64_t i : *list) value += (value.empty() ? "" : ",") + std::to_string(i);
    }
    text += fmt::format(" {}={}", e.name, value);
  }
  return text;
}

namespace detail {

inline std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

inline bool numbers(const std::string& text, char at, std::vector<int64_t>& out) {
  for (const std::string& part : split(text, at)) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size()) return false;
    out.push_back(value);
  }
  return !out.empty();
}

inline Status set(ir::Attrs& attrs, const std::string& name, const std::string& value) {
  std::vector<int64_t> list;
  if (numbers(value, ',', list)) {
    if (list.size() == 1 && attrs.set(name, ir::AttrValue(list[0]))) return {};
    return attrs.set(name, ir::AttrValue(list));
  }
  try {
    if (attrs.set(name, ir::AttrValue(std::stof(value)))) return {};
  } catch (const std::exception&) {
  }
  return attrs.set(name, ir::AttrValue(value));
}

}  // namespace detail

/// Errors name the word that is wrong.
inline Result<LayerLine> parse_layer(const std::string& text) {
  std::istringstream words(text);
  LayerLine line;
  words >> line.op;
  const ops::Op* op = ops::find("", line.op);
  if (op == nullptr) return fail(ErrorCode::invalid_argument, "no operator '{}'", line.op);
  if (op->ir::OpInfo::attrs != nullptr) line.attrs = ir::Attrs(op->ir::OpInfo::attrs);
  for (std::string word; words >> word && word != "#";) {
    const size_t equals = word.find('=');
    LayerInput in;
    std::vector<int64_t> dims;
    if (word == "-") {
      in.absent = true;
    } else if (equals != std::string::npos && equals > 0) {
      TRY(detail::set(line.attrs, word.substr(0, equals), word.substr(equals + 1)));
      continue;
    } else {
      in.constant = equals == 0;
      if (!detail::numbers(word.substr(in.constant ? 1 : 0), 'x', dims))
        return fail(ErrorCode::invalid_argument, "'{}' are no extents", word);
      in.dims = Dims(std::span<const int64_t>(dims));
    }
    line.inputs.push_back(in);
  }
  if (line.inputs.empty()) return fail(ErrorCode::invalid_argument, "'{}' has no inputs", line.op);
  return line;
}

}  // namespace slipway::bench
