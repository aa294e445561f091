// CastMap, DictVectorizer, ZipMap of ai.onnx.ml: between maps and rows.
#include <algorithm>
#include <numeric>

#include "ops/cast.hpp"
#include "ops/sample.hpp"
#include "ops/scores.hpp"

namespace slipway::ops {
namespace {

Result<const ir::Map*> map_of(const RefContext& c) {
  const ir::Map* map = c.has(0) ? c.value(0).map() : nullptr;
  if (map != nullptr && map->keys.count() == (map->values ? map->values.count() : 0)) return map;
  return Error(ErrorCode::data_fault, "input 0 must be a map");
}

Status expect_map(const InferContext& c, TypeSet keys) {
  const Fact& fact = c.input(0);
  if (fact.kind == Fact::Kind::unknown) return {};
  if (fact.kind == Fact::Kind::map && (fact.type == ElementType::undefined || contains(keys, fact.type))) return {};
  return fail(ErrorCode::invalid_model, "input 0 must be a map with other keys than {}", to_string(fact));
}

// ---- CastMap

struct CastMapAttrs {
  std::string cast_to = "TO_FLOAT";  ///< TO_FLOAT | TO_INT64 | TO_STRING
  std::string map_form = "DENSE";    ///< DENSE: by rising keys; SPARSE: each value at its key
  int64_t max_map = 1;               ///< SPARSE: length of the row
  bool operator==(const CastMapAttrs&) const = default;
  static constexpr auto fields() {
    using A = CastMapAttrs;
    return std::tuple{field("cast_to", &A::cast_to), field("map_form", &A::map_form), field("max_map", &A::max_map)};
  }
};

Result<ElementType> cast_type(const CastMapAttrs& a) {
  if (a.cast_to == "TO_FLOAT") return E::f32;
  if (a.cast_to == "TO_INT64") return E::i64;
  if (a.cast_to == "TO_STRING") return E::string;
  return fail(ErrorCode::invalid_model, "cast_to '{}' is not one of TO_FLOAT, TO_INT64, TO_STRING", a.cast_to);
}

Status infer_cast_map(InferContext& c) {
  const auto& a = c.attrs<CastMapAttrs>();
  TRY(expect_map(c, types(E::i64)));
  const bool sparse = a.map_form == "SPARSE";
  if (!sparse && a.map_form != "DENSE")
    return fail(ErrorCode::invalid_model, "map_form '{}' is neither DENSE nor SPARSE", a.map_form);
  if (sparse && a.max_map < 1) return fail(ErrorCode::invalid_model, "max_map is {}", a.max_map);
  const Shape out{Dim(1), sparse ? Dim(a.max_map) : Dim::unknown()};
  TRY(check_size(out));
  c.set(0, TRY(cast_type(a)), out);
  return {};
}

Status run_cast_map(RefContext& c) {
  const auto& a = c.attrs<CastMapAttrs>();
  const ElementType type = TRY(cast_type(a));
  const ir::Map& map = *TRY(map_of(c));
  if (map.keys.type() != E::i64) return Error(ErrorCode::data_fault, "the keys must be numbers");
  const auto* keys = map.keys.as<int64_t>();
  const int64_t count = map.keys.count();
  const Tensor values = count == 0 ? Tensor(type, {0}) : TRY(cast_tensor(map.values, type));
  if (a.map_form == "SPARSE") {
    Tensor y = c.out(0, type, {1, a.max_map});
    for (int64_t i = 0; i < count; ++i) {
      if (keys[i] < 0 || keys[i] >= a.max_map) return index_fault(keys[i], a.max_map, 1);
      copy_element(y, keys[i], values, i);
    }
    return {};
  }
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::sort(order.begin(), order.end(), [&](int64_t l, int64_t r) { return keys[l] < keys[r]; });
  Tensor y = c.out(0, type, {1, count});
  for (int64_t i = 0; i < count; ++i) copy_element(y, i, values, order[static_cast<size_t>(i)]);
  return {};
}

// ---- DictVectorizer

struct DictVectorizerAttrs {
  std::vector<int64_t> int64_vocabulary;
  std::vector<std::string> string_vocabulary;
  bool operator==(const DictVectorizerAttrs&) const = default;
  static constexpr auto fields() {
    using A = DictVectorizerAttrs;
    return std::tuple{field("int64_vocabulary", &A::int64_vocabulary), field("string_vocabulary", &A::string_vocabulary)};
  }
  int64_t size() const { return static_cast<int64_t>(std::max(int64_vocabulary.size(), string_vocabulary.size())); }
};

Status infer_dict(InferContext& c) {
  const auto& a = c.attrs<DictVectorizerAttrs>();
  if (a.int64_vocabulary.empty() == a.string_vocabulary.empty())
    return Error(ErrorCode::invalid_model, "exactly one of int64_vocabulary and string_vocabulary must be given");
  TRY(expect_map(c, bit(a.string_vocabulary.empty() ? E::i64 : E::string)));
  const Fact& fact = c.input(0);
  c.set(0, fact.element ? fact.element->type : E::undefined, Shape{Dim(1), Dim(a.size())});
  return {};
}

Status run_dict(RefContext& c) {
  const auto& a = c.attrs<DictVectorizerAttrs>();
  const ir::Map& map = *TRY(map_of(c));
  const bool words = a.int64_vocabulary.empty();
  if (map.keys.type() != (words ? E::string : E::i64))
    return Error(ErrorCode::data_fault, "the keys are not of the vocabulary's type");
  if (!map.values) return Error(ErrorCode::data_fault, "an empty map says no element type");
  Tensor y(map.values.type(), {1, a.size()});
  for (int64_t i = 0; i < map.keys.count(); ++i) {
    int64_t at = 0;
    if (words) {
      const auto& list = a.string_vocabulary;
      at = std::find(list.begin(), list.end(), map.keys.as<std::string>()[i]) - list.begin();
    } else {
      const auto& list = a.int64_vocabulary;
      at = std::find(list.begin(), list.end(), map.keys.as<int64_t>()[i]) - list.begin();
    }
    if (at < a.size()) copy_element(y, at, map.values, i);
  }
  c.set(0, std::move(y));
  return {};
}

// ---- ZipMap

struct ZipMapAttrs {
  std::vector<int64_t> classlabels_int64s;
  std::vector<std::string> classlabels_strings;
  bool operator==(const ZipMapAttrs&) const = default;
  static constexpr auto fields() {
    using A = ZipMapAttrs;
    return std::tuple{field("classlabels_int64s", &A::classlabels_int64s), field("classlabels_strings", &A::classlabels_strings)};
  }
  ClassLabels labels() const { return {classlabels_int64s, classlabels_strings}; }
};

Status infer_zip(InferContext& c) {
  const ClassLabels labels = c.attrs<ZipMapAttrs>().labels();
  TRY(labels.check());
  const FeatureShape x = TRY(feature_shape(c.shape(0)));
  if (x.columns.known() && x.columns.value() != static_cast<int64_t>(labels.count()))
    return fail(ErrorCode::invalid_model, "there are {} columns and {} labels", x.columns.value(), labels.count());
  c.set(0, Fact::sequence(Fact::map(labels.type(), Fact::tensor(E::f32))));
  return {};
}

Status run_zip(RefContext& c) {
  const auto& a = c.attrs<ZipMapAttrs>();
  TRY(actual_facts(c));
  const Tensor& x = c.in(0);
  const auto columns = static_cast<int64_t>(a.labels().count());
  const Tensor keys = a.classlabels_strings.empty() ? Tensor::vector(a.classlabels_int64s)
                                                    : Tensor::from<std::string>(E::string, {columns}, a.classlabels_strings);
  std::vector<Value> maps;
  for (int64_t n = 0; n < x.count() / columns; ++n) {
    Tensor values(E::f32, {columns});
    copy_run(values, 0, x, n * columns, columns);
    maps.emplace_back(std::make_shared<const ir::Map>(ir::Map{keys, values}));
  }
  c.set(0, std::make_shared<const std::vector<Value>>(std::move(maps)));
  return {};
}

SampleInput map_input(Tensor keys, Tensor values) {
  return {std::make_shared<const ir::Map>(ir::Map{std::move(keys), std::move(values)})};
}

std::vector<Sample> cast_map_samples() {
  using A = CastMapAttrs;
  const SampleInput reals = map_input(sample::ints({4, 0, 2}), sample::floats({3}, {1.5, 2, -3}));
  return {{"dense", A{}, {reals}},
          {"sparse", A{"TO_INT64", "SPARSE", 6}, {reals}},
          {"strings", A{"TO_FLOAT"}, {map_input(sample::ints({1, 0}), sample::strings({2}, {"2.5", "-1"}))}},
          {"to_strings", A{"TO_STRING"}, {reals}}};
}

std::vector<Sample> dict_samples() {
  using A = DictVectorizerAttrs;
  return {{"words", A{{}, {"a", "c", "b", "z"}}, {map_input(sample::strings({2}, {"c", "a"}), sample::floats({2}, {8, 4}))}},
          {"numbers", A{{5, 7}, {}}, {map_input(sample::ints({7}), sample::strings({1}, {"x"}))}}};
}

std::vector<Sample> zip_samples() {
  return {{"words", ZipMapAttrs{{}, {"a", "b"}}, {{sample::counting({3, 2})}}},
          {"numbers", ZipMapAttrs{{7, 8, 9}, {}}, {{sample::counting({3})}}}};
}

}  // namespace

OpFamily feature_maps() {
  constexpr uint32_t kHost = ir::OpInfo::kDataDependent;
  return {Op("CastMap", {1}, kMl)
              .attrs<CastMapAttrs>()
              .in_any("X")
              .out("Y", types(E::f32, E::i64, E::string), 0)
              .flag(kHost)
              .infer(infer_cast_map)
              .reference(run_cast_map)
              .samples(cast_map_samples)
              .doc("The values of a map as a row."),
          Op("DictVectorizer", {1}, kMl)
              .attrs<DictVectorizerAttrs>()
              .in_any("X")
              .out("Y", types(E::f32, E::f64, E::i64, E::string), 0)
              .flag(kHost)
              .infer(infer_dict)
              .reference(run_dict)
              .samples(dict_samples)
              .doc("The values of a map as a row in the order of a vocabulary."),
          Op("ZipMap", {1}, kMl)
              .attrs<ZipMapAttrs>()
              .in("X", types(E::f32))
              .out_any("Z")
              .flag(kHost)
              .infer(infer_zip)
              .reference(run_zip)
              .samples(zip_samples)
              .doc("Rows as maps from labels to values.")};
}

}  // namespace slipway::ops
