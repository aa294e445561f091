// Comparisons of two broadcast operands: the result is bool. NaN equals nothing and orders with nothing.
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using Flag = ir::OpInfo::Flag;

enum class Relation { equal, less, less_or_equal, greater, greater_or_equal };

template <class T>
bool holds(Relation relation, const T& a, const T& b) {
  switch (relation) {
    case Relation::equal:
      return a == b;
    case Relation::less:
      return a < b;
    case Relation::less_or_equal:
      return a <= b;
    case Relation::greater:
      return a > b;
    case Relation::greater_or_equal:
      return a >= b;
  }
  return false;
}

template <class Get>
Status compare(RefContext& c, Relation relation, Get get) {
  const Tensor &a = c.in(0), &b = c.in(1);
  const Dims dims = TRY(broadcast_dims(c));
  Tensor out = c.out(0, ElementType::boolean, dims);
  walk<2>(dims, {broadcast_strides(a.dims(), dims), broadcast_strides(b.dims(), dims)},
          [&](int64_t n, const std::array<int64_t, 2>& at) {
            out.as<uint8_t>()[n] = holds(relation, get(a, at[0]), get(b, at[1])) ? 1 : 0;
          });
  return {};
}

template <Relation R>
Status run(RefContext& c) {
  if (c.in(0).type() == ElementType::string) {
    return compare(c, R, [](const Tensor& t, int64_t i) -> const std::string& { return t.as<std::string>()[i]; });
  }
  return in_domain(c.in(0).type(),
                   [&]<class T>(T) { return compare(c, R, [](const Tensor& t, int64_t i) { return load<T>(t, i); }); });
}

std::vector<Sample> samples_of(TypeSet allowed) {
  std::vector<Sample> out = sample::of_two_inputs(allowed, -2, 3, -2, 3);
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  out.push_back({"special",
                 {},
                 {{sample::floats({6}, {nan, nan, inf, -0.0, inf, 1})}, {sample::floats({6}, {nan, 1, inf, 0, -inf, 1})}},
                 1});
  out.push_back({"small_i32", {}, {{sample::random(E::i32, {1000}, -2, 3)}, {sample::random(E::i32, {}, -2, 3, 7)}}, 1});
  return out;
}

std::vector<Sample> order_samples() {
  return samples_of(kNumeric);
}

std::vector<Sample> equal_samples() {
  std::vector<Sample> out = samples_of(kNumeric | kBool);
  out.push_back({"strings", {}, {{sample::strings({2, 2}, {"a", "b", "", "d"})}, {sample::strings({2}, {"a", "d"})}}, 1});
  return out;
}

struct Row {
  std::string_view name;
  std::vector<int> versions;
  TypeSet types;
  Status (*run)(RefContext&);
  uint32_t flags;
  std::vector<Sample> (*samples)();
  std::string_view doc;
};

}  // namespace

OpFamily compare() {
  OpFamily family;
  for (const Row& row :
       {Row{"Equal",
            {1, 7, 11, 13, 19},
            kNumeric | kBool | kString,
            run<Relation::equal>,
            Flag::kElementwise | Flag::kCommutative,
            equal_samples,
            "A == B."},
        Row{"Less", {1, 7, 9, 13}, kNumeric, run<Relation::less>, Flag::kElementwise, order_samples, "A < B."},
        Row{"Greater", {1, 7, 9, 13}, kNumeric, run<Relation::greater>, Flag::kElementwise, order_samples, "A > B."},
        Row{"LessOrEqual", {12, 16}, kNumeric, run<Relation::less_or_equal>, Flag::kElementwise, order_samples, "A <= B."},
        Row{"GreaterOrEqual",
            {12, 16},
            kNumeric,
            run<Relation::greater_or_equal>,
            Flag::kElementwise,
            order_samples,
            "A >= B."}}) {
    family.push_back(Op(row.name, row.versions)
                         .in("A", row.types)
                         .in("B", row.types)
                         .out("C", kBool, 0)
                         .flag(row.flags)
                         .infer(infer_broadcast_bool)
                         .reference(row.run)
                         .samples(row.samples)
                         .upgrade(upgrade_broadcast)
                         .doc(row.doc));
  }
  return family;
}

}  // namespace slipway::ops
