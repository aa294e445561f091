// LabelEncoder and CategoryMapper of ai.onnx.ml: elements looked up in a table.
#include <bit>
#include <cmath>
#include <unordered_map>

#include "ops/elementwise.hpp"
#include "ops/sample.hpp"
#include "ops/scores.hpp"

namespace slipway::ops {
namespace {

/// keys_* and values_* are parallel; one of each.
struct LabelEncoderAttrs {
  std::vector<std::string> keys_strings, values_strings;
  std::vector<int64_t> keys_int64s, values_int64s;
  std::vector<float> keys_floats, values_floats;
  Tensor keys_tensor, values_tensor;
  std::string default_string = "_Unused";
  int64_t default_int64 = -1;
  float default_float = -0.0f;
  Tensor default_tensor;
  bool operator==(const LabelEncoderAttrs& o) const {
    const auto same = [](const Tensor& a, const Tensor& b) {
      return static_cast<bool>(a) == static_cast<bool>(b) && (!a || a.same_bytes(b));
    };
    return std::tie(keys_strings, values_strings, keys_int64s, values_int64s, keys_floats, values_floats, default_string,
                    default_int64, default_float) == std::tie(o.keys_strings, o.values_strings, o.keys_int64s, o.values_int64s,
                                                              o.keys_floats, o.values_floats, o.default_string, o.default_int64,
                                                              o.default_float) &&
           same(keys_tensor, o.keys_tensor) && same(values_tensor, o.values_tensor) && same(default_tensor, o.default_tensor);
  }
  static constexpr auto fields() {
    using A = LabelEncoderAttrs;
    return std::tuple{field("keys_strings", &A::keys_strings),     field("values_strings", &A::values_strings),
                      field("keys_int64s", &A::keys_int64s),       field("values_int64s", &A::values_int64s),
                      field("keys_floats", &A::keys_floats),       field("values_floats", &A::values_floats),
                      field("keys_tensor", &A::keys_tensor),       field("values_tensor", &A::values_tensor),
                      field("default_string", &A::default_string), field("default_int64", &A::default_int64),
                      field("default_float", &A::default_float),   field("default_tensor", &A::default_tensor)};
  }
};

struct CategoryMapperAttrs {
  std::vector<int64_t> cats_int64s;
  std::vector<std::string> cats_strings;
  int64_t default_int64 = -1;
  std::string default_string = "_Unused";
  bool operator==(const CategoryMapperAttrs&) const = default;
  static constexpr auto fields() {
    using A = CategoryMapperAttrs;
    return std::tuple{field("cats_int64s", &A::cats_int64s), field("cats_strings", &A::cats_strings),
                      field("default_int64", &A::default_int64), field("default_string", &A::default_string)};
  }
};

constexpr TypeSet kLabels = types(E::string, E::i64, E::f32, E::i32, E::i16, E::f64);

template <class T>
Tensor row(ElementType type, const std::vector<T>& values) {
  return Tensor::from<T>(type, {static_cast<int64_t>(values.size())}, values);
}

/// Keys, their values, and what stands for all other keys.
struct Table {
  Tensor keys, values, otherwise;
};

/// The one list of strings, int64s, floats or a tensor that is given.
Result<Tensor> only_list(std::string_view what, const std::vector<std::string>& strings, const std::vector<int64_t>& ints,
                         const std::vector<float>& floats, const Tensor& tensor) {
  const int given = !strings.empty() + !ints.empty() + !floats.empty() + static_cast<bool>(tensor);
  if (given != 1)
    return fail(ErrorCode::invalid_model, "exactly one of the attributes {}_* must be given, here are {}", what, given);
  if (!strings.empty()) return row(E::string, strings);
  if (!ints.empty()) return row(E::i64, ints);
  if (!floats.empty()) return row(E::f32, floats);
  if (!contains(kLabels, tensor.type()))
    return fail(ErrorCode::invalid_model, "{}_tensor cannot be of type {}", what, name(tensor.type()));
  return tensor;
}

Result<Table> table_of(const LabelEncoderAttrs& a) {
  Table t;
  t.keys = TRY(only_list("keys", a.keys_strings, a.keys_int64s, a.keys_floats, a.keys_tensor));
  t.values = TRY(only_list("values", a.values_strings, a.values_int64s, a.values_floats, a.values_tensor));
  if (t.keys.count() != t.values.count())
    return fail(ErrorCode::invalid_model, "there are {} keys and {} values", t.keys.count(), t.values.count());
  const ElementType type = t.values.type();
  if (a.default_tensor && a.values_tensor) {
    t.otherwise = a.default_tensor;
  } else if (type == E::string) {
    t.otherwise = row(type, std::vector{a.default_string});
  } else {
    t.otherwise = Tensor(type, {1});
    if (is_float(type)) {
      store<double>(t.otherwise, 0, a.default_float);
    } else {
      store<int64_t>(t.otherwise, 0, a.default_int64);
    }
  }
  if (t.otherwise.type() != type || t.otherwise.count() != 1)
    return fail(ErrorCode::invalid_model, "default_tensor must be one {}", name(type));
  return t;
}

/// Numbers as hashable keys: every NaN is one, and so are the zeros.
uint64_t number_key(const Tensor& t, int64_t i) {
  if (!is_float(t.type())) return load<uint64_t>(t, i);
  const double value = load<double>(t, i);
  return std::bit_cast<uint64_t>(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value == 0 ? 0.0 : value);
}

template <class Key, class KeyAt>
void look_up(const Table& table, const Tensor& x, Tensor& y, KeyAt key_at) {
  std::unordered_map<Key, int64_t> places;
  for (int64_t i = 0; i < table.keys.count(); ++i) places[key_at(table.keys, i)] = i;  // of equal keys the last
  for (int64_t i = 0; i < x.count(); ++i) {
    const auto at = places.find(key_at(x, i));
    if (at == places.end()) {
      copy_element(y, i, table.otherwise, 0);
    } else {
      copy_element(y, i, table.values, at->second);
    }
  }
}

Status encode(RefContext& c, const Table& table) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, table.values.type(), x.dims());
  if (x.type() == E::string) {
    look_up<std::string>(table, x, y, [](const Tensor& t, int64_t i) { return t.as<std::string>()[i]; });
  } else {
    look_up<uint64_t>(table, x, y, number_key);
  }
  return {};
}

Status infer_encoder(InferContext& c) {
  const Table table = TRY(table_of(c.attrs<LabelEncoderAttrs>()));
  if (c.type(0) != ElementType::undefined && c.type(0) != table.keys.type()) {
    return fail(ErrorCode::invalid_model, "the keys are of type {}, the input of {}", name(table.keys.type()), name(c.type(0)));
  }
  return infer_like_input(c, table.values.type());
}

Status run_encoder(RefContext& c) {
  TRY(actual_facts(c));
  return encode(c, TRY(table_of(c.attrs<LabelEncoderAttrs>())));
}

/// Version 1 knew one list of strings and their positions.
Status upgrade_encoder(OnnxNode& node) {
  if (node.version >= 2) return {};
  const ir::AttrValue classes = node.take("classes_strings");
  const auto* strings = std::get_if<std::vector<std::string>>(&classes);
  if (strings == nullptr) return Error(ErrorCode::invalid_model, "the attribute classes_strings is missing");
  std::vector<int64_t> places(strings->size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<int64_t>(i);
  const bool from_strings = node.fact(0).type == E::string;
  node.attrs[from_strings ? "keys_strings" : "values_strings"] = *strings;
  node.attrs[from_strings ? "values_int64s" : "keys_int64s"] = places;
  return {};
}

/// The table from strings to numbers or back, by the type of the input.
Result<Table> table_of(const CategoryMapperAttrs& a, ElementType from) {
  if (a.cats_int64s.size() != a.cats_strings.size())
    return fail(ErrorCode::invalid_model, "there are {} cats_strings and {} cats_int64s", a.cats_strings.size(),
                a.cats_int64s.size());
  Tensor strings = row(E::string, a.cats_strings), numbers = row(E::i64, a.cats_int64s);
  if (from == E::string) return Table{strings, numbers, row(E::i64, std::vector{a.default_int64})};
  return Table{numbers, strings, row(E::string, std::vector{a.default_string})};
}

Status infer_mapper(InferContext& c) {
  TRY(table_of(c.attrs<CategoryMapperAttrs>(), c.type(0)));
  const ElementType to = c.type(0) == E::string ? E::i64 : c.type(0) == E::i64 ? E::string : E::undefined;
  const Shape* x = c.shape(0);
  c.set(0, to, x == nullptr ? std::nullopt : std::optional<Shape>(*x));
  return {};
}

Status run_mapper(RefContext& c) {
  return encode(c, TRY(table_of(c.attrs<CategoryMapperAttrs>(), c.in(0).type())));
}

std::vector<Sample> encoder_samples() {
  using A = LabelEncoderAttrs;
  const Tensor words = sample::strings({2, 2}, {"b", "a", "d", "b"});
  A reals;
  reals.keys_tensor = sample::floats({2}, {std::nan(""), 0.5});
  reals.values_int64s = {1, 2};
  A tensors;
  tensors.keys_tensor = sample::counting(E::i16, {3});
  tensors.values_tensor = sample::counting(E::f64, {3}, 5);
  tensors.default_tensor = sample::numbers(E::f64, {1}, {-7});
  return {{"strings_to_int64s", A{.keys_strings = {"a", "b"}, .values_int64s = {5, 6}, .default_int64 = 42}, {{words}}},
          {"int64s_to_strings", A{.values_strings = {"x", "y"}, .keys_int64s = {1, 2}}, {{sample::counting(E::i64, {4})}}},
          {"nan", reals, {{sample::floats({3}, {0.5, std::nan(""), 2})}}},
          {"last_key", A{.values_int64s = {5}, .keys_floats = {1}}, {{sample::floats({1}, {1})}}},
          {"tensors", tensors, {{sample::counting(E::i16, {5}, -1)}}}};
}

std::vector<Sample> mapper_samples() {
  const CategoryMapperAttrs a{{4, 5}, {"a", "b"}, -2, "none"};
  return {{"to_numbers", a, {{sample::strings({3}, {"b", "?", "a"})}}},
          {"to_strings", a, {{sample::counting(E::i64, {2, 2}, 3)}}}};
}

}  // namespace

OpFamily label_encoder() {
  return {Op("LabelEncoder", {1, 2, 4}, kMl)
              .attrs<LabelEncoderAttrs>()
              .in("X", kLabels)
              .out("Y", kLabels, 0)
              .infer(infer_encoder)
              .reference(run_encoder)
              .samples(encoder_samples)
              .upgrade(upgrade_encoder)
              .doc("Elements looked up in a table of keys and values."),
          Op("CategoryMapper", {1}, kMl)
              .attrs<CategoryMapperAttrs>()
              .in("X", types(E::string, E::i64))
              .out("Y", types(E::string, E::i64), 0)
              .infer(infer_mapper)
              .reference(run_mapper)
              .samples(mapper_samples)
              .doc("Strings to numbers or back, by a table.")};
}

}  // namespace slipway::ops
