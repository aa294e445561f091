// Value: what flows between nodes at run time. Tensors of plain numbers live in a Plan's arena; everything else in the host lane.
#pragma once

#include <map>
#include <memory>
#include <variant>
#include <vector>

#include "base/tensor.hpp"

namespace slipway::ir {

struct Value;

/// An ordered list of values of one type; shared, immutable once built.
using Sequence = std::shared_ptr<const std::vector<Value>>;

/// Keys are int64 or string; the values are one tensor each way: keys[i] belongs to values' row i (scalars: element i).
struct Map {
  Tensor keys;    ///< rank 1, an integer type or string
  Tensor values;  ///< rank 1, same count
};

/// Tensor, sequence, map, or nothing (an absent optional). An optional that holds something is that something.
struct Value {
  std::variant<std::monostate, Tensor, Sequence, std::shared_ptr<const Map>> held;

  Value() = default;
  Value(Tensor t) : held(std::move(t)) {}
  Value(Sequence s) : held(std::move(s)) {}
  Value(std::shared_ptr<const Map> m) : held(std::move(m)) {}

  bool has_value() const { return held.index() != 0; }
  const Tensor* tensor() const { return std::get_if<Tensor>(&held); }
  Tensor* tensor() { return std::get_if<Tensor>(&held); }
  const std::vector<Value>* sequence() const {
    const auto* s = std::get_if<Sequence>(&held);
    return s == nullptr ? nullptr : s->get();
  }
  const Map* map() const {
    const auto* m = std::get_if<std::shared_ptr<const Map>>(&held);
    return m == nullptr ? nullptr : m->get();
  }
};

}  // namespace slipway::ir
