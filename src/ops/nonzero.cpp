// NonZero and Compress: what is chosen depends on the data.
#include <algorithm>

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kDataTypes = kNumeric | kBool | kString | kComplex;

bool is_zero(const Tensor& x, int64_t i) {
  switch (x.type()) {
    case ElementType::string:
      return x.as<std::string>()[i].empty();
    case ElementType::c64:
      return x.as<float>()[2 * i] == 0 && x.as<float>()[2 * i + 1] == 0;
    case ElementType::c128:
      return x.as<double>()[2 * i] == 0 && x.as<double>()[2 * i + 1] == 0;
    default:
      return in_domain(x.type(), [&]<class T>(T) { return load<T>(x, i) == T{0}; });
  }
}

Status infer_nonzero(InferContext& c) {
  const Shape* in = c.shape(0);
  c.set(0, ElementType::i64, Shape{in == nullptr ? Dim::unknown() : Dim(static_cast<int64_t>(in->size())), Dim::unknown()});
  return {};
}

Status run_nonzero(RefContext& c) {
  const Tensor& x = c.in(0);
  const int rank = x.dims().rank();
  std::vector<int64_t> found;
  for (int64_t i = 0; i < x.count(); ++i) {
    if (!is_zero(x, i)) found.push_back(i);
  }
  const auto count = static_cast<int64_t>(found.size());
  const Dims strides = x.dims().strides();
  Tensor y = c.out(0, ElementType::i64, {rank, count});
  for (int a = 0; a < rank; ++a) {
    for (int64_t k = 0; k < count; ++k) y.as<int64_t>()[a * count + k] = found[static_cast<size_t>(k)] / strides[a] % x.dims()[a];
  }
  return {};
}

struct CompressAttrs {
  std::optional<int64_t> axis;  ///< absent: the input is taken as flat
  bool operator==(const CompressAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axis", &CompressAttrs::axis)}; }
};

Status infer_compress(InferContext& c) {
  const auto axis = c.attrs<CompressAttrs>().axis;
  const Shape *in = c.shape(0), *condition = c.shape(1);
  if (condition != nullptr && condition->size() != 1) {
    return fail(ErrorCode::invalid_model, "the condition has the rank {}, it must be 1", condition->size());
  }
  std::optional<Shape> out;
  if (!axis) {
    out = Shape{Dim::unknown()};
  } else if (in != nullptr) {
    out = *in;
    (*out)[static_cast<size_t>(TRY(normalize_axis(*axis, static_cast<int>(in->size()))))] = Dim::unknown();
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_compress(RefContext& c) {
  const auto attrs_axis = c.attrs<CompressAttrs>().axis;
  const Tensor x = attrs_axis ? c.in(0) : c.in(0).reshaped({c.in(0).count()});
  const int rank = x.dims().rank(), axis = TRY(normalize_axis(attrs_axis.value_or(0), rank));
  const int64_t extent = x.dims()[axis], conditions = std::min(c.in(1).count(), extent);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < conditions; ++i) {
    if (c.in(1).as<uint8_t>()[i] != 0) kept.push_back(i);
  }
  Dims dims = x.dims();
  dims[axis] = static_cast<int64_t>(kept.size());
  Tensor y = c.out(0, x.type(), dims);
  const int64_t outer = dims.count(0, axis), inner = dims.count(axis + 1, rank);
  int64_t at = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (const int64_t i : kept) {
      copy_run(y, at, x, (o * extent + i) * inner, inner);
      at += inner;
    }
  }
  return {};
}

using sample::counting;
using sample::floats;
using sample::numbers;

std::vector<Sample> nonzero_samples() {
  return {{"matrix", NoAttrs{}, {{floats({2, 3}, {0, 1, 0, -2, 0.5, 0})}}},
          {"bool", NoAttrs{}, {{counting(ElementType::boolean, {2, 2, 2})}}},
          {"none", NoAttrs{}, {{Tensor(ElementType::i32, {3})}}},
          {"scalar", NoAttrs{}, {{counting(ElementType::i64, {}, 4)}}},
          {"empty", NoAttrs{}, {{counting({0, 3})}}},
          {"string", NoAttrs{}, {{sample::strings({3}, {"a", "", "b"})}}}};
}

std::vector<Sample> compress_samples() {
  const auto flags = [](std::initializer_list<double> list) {
    return numbers(ElementType::boolean, {static_cast<int64_t>(list.size())}, list);
  };
  return {{"axis0", CompressAttrs{0}, {{counting({3, 2})}, {flags({0, 1, 1})}}},
          {"negative", CompressAttrs{-1}, {{counting(ElementType::i64, {3, 2})}, {flags({0, 1})}}},
          {"flat_short", CompressAttrs{}, {{counting(ElementType::f16, {3, 2})}, {flags({0, 1, 0, 0, 1})}}},
          {"nothing", CompressAttrs{0}, {{counting(ElementType::string, {2, 2})}, {flags({0, 0})}}}};
}

}  // namespace

OpFamily nonzero() {
  return {Op("NonZero", {9, 13})
              .in("X", kDataTypes)
              .out("Y", types(ElementType::i64), 'I')
              .flag(ir::OpInfo::kDataDependent)
              .infer(infer_nonzero)
              .reference(run_nonzero)
              .samples(nonzero_samples)
              .doc("The indices of the elements that are not zero, one row an axis."),
          Op("Compress", {9, 11, 28})
              .attrs<CompressAttrs>()
              .in("input", kDataTypes)
              .in("condition", kBool, 'B')
              .out("output")
              .flag(ir::OpInfo::kDataDependent)
              .infer(infer_compress)
              .reference(run_compress)
              .samples(compress_samples)
              .doc("The slices of an axis whose condition is true.")};
}

}  // namespace slipway::ops
