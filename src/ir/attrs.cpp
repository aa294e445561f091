#include "ir/attrs.hpp"

#include <algorithm>
#include <bit>

#include "base/format.hpp"
#include "ir/text.hpp"

namespace slipway::ir {

std::string_view kind_name(const AttrValue& value) {
  static constexpr std::string_view kNames[] = {"absent",  "int",    "float", "string",  "ints",  "floats",
                                                "strings", "tensor", "graph", "tensors", "graphs"};
  return kNames[value.index()];
}

namespace {

bool same_bits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

}  // namespace

// Floats by their bits: a NaN equals itself, -0 is not 0.
bool equal(const AttrValue& a, const AttrValue& b) {
  if (a.index() != b.index()) return false;
  if (const auto* t = std::get_if<Tensor>(&a)) return t->same_bytes(std::get<Tensor>(b));
  if (const auto* f = std::get_if<float>(&a)) return same_bits(*f, std::get<float>(b));
  if (const auto* f = std::get_if<std::vector<float>>(&a)) {
    const auto& other = std::get<std::vector<float>>(b);
    return std::equal(f->begin(), f->end(), other.begin(), other.end(), same_bits);
  }
  if (const auto* g = std::get_if<GraphRef>(&a)) {
    const GraphRef& other = std::get<GraphRef>(b);
    const PrintOptions options{.facts = false, .digests = true};
    return *g == other || (*g && other && print(**g, options) == print(*other, options));
  }
  if (const auto* list = std::get_if<std::vector<Tensor>>(&a)) {
    const auto& other = std::get<std::vector<Tensor>>(b);
    for (size_t i = 0; i < list->size() && i < other.size(); ++i) {
      if (!(*list)[i].same_bytes(other[i])) return false;
    }
    return list->size() == other.size();
  }
  if (const auto* list = std::get_if<std::vector<GraphRef>>(&a)) {
    const auto& other = std::get<std::vector<GraphRef>>(b);
    for (size_t i = 0; i < list->size() && i < other.size(); ++i) {
      if (!equal(AttrValue((*list)[i]), AttrValue(other[i]))) return false;
    }
    return list->size() == other.size();
  }
  return std::visit(
      [&]<class T>(const T& held) {
        if constexpr (std::is_same_v<T, Tensor> || std::is_same_v<T, GraphRef> || std::is_same_v<T, std::vector<Tensor>> ||
                      std::is_same_v<T, std::vector<GraphRef>>) {
          return false;
        } else {
          return held == std::get<T>(b);
        }
      },
      a);
}

namespace detail {
Status wrong_kind(std::string_view name, const AttrValue& value, std::string_view expected) {
  return fail(ErrorCode::invalid_model, "attribute '{}' is of kind {} or out of range, the operator expects {}", name,
              kind_name(value), expected);
}
Status no_such_field(std::string_view name) {
  return fail(ErrorCode::invalid_model, "the operator has no attribute '{}'", name);
}
}  // namespace detail

Attrs::Attrs() : Attrs(attr_type<NoAttrs>()) {}

Status Attrs::set(std::string_view name, const AttrValue& value) {
  if (data_.use_count() != 1) data_ = type_->copy(data_.get());
  return type_->set(data_.get(), name, value);
}

bool Attrs::operator==(const Attrs& other) const {
  if (type_ != other.type_) return false;
  if (data_ == other.data_) return true;
  const auto a = entries(), b = other.entries();
  for (size_t i = 0; i < a.size(); ++i) {
    if (!equal(a[i].value, b[i].value)) return false;
  }
  return true;
}

}  // namespace slipway::ir
