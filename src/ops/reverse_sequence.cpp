// ReverseSequence.
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct ReverseSequenceAttrs {
  int64_t batch_axis = 1, time_axis = 0;
  bool operator==(const ReverseSequenceAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("batch_axis", &ReverseSequenceAttrs::batch_axis),
                      field("time_axis", &ReverseSequenceAttrs::time_axis)};
  }
};

Status infer_reverse_sequence(InferContext& c) {
  const auto& attrs = c.attrs<ReverseSequenceAttrs>();
  const Shape *in = c.shape(0), *lengths = c.shape(1);
  if (in != nullptr) {
    if (in->size() < 2) return fail(ErrorCode::invalid_model, "the input has the rank {}, it must be 2 or more", in->size());
    const int rank = static_cast<int>(in->size());
    const int batch = TRY(normalize_axis(attrs.batch_axis, rank)), time = TRY(normalize_axis(attrs.time_axis, rank));
    if (batch == time) return fail(ErrorCode::invalid_model, "batch_axis and time_axis are both {}", batch);
    if (lengths != nullptr) {
      if (lengths->size() != 1)
        return fail(ErrorCode::invalid_model, "sequence_lens has the rank {}, it must be 1", lengths->size());
      TRY(same_extent((*in)[static_cast<size_t>(batch)], (*lengths)[0], static_cast<size_t>(batch)));
    }
  }
  c.set(0, c.type(0), in == nullptr ? std::nullopt : std::optional<Shape>(*in));
  return {};
}

Status run_reverse_sequence(RefContext& c) {
  const auto& attrs = c.attrs<ReverseSequenceAttrs>();
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  const Dims strides = x.dims().strides();
  const int batch = TRY(normalize_axis(attrs.batch_axis, strides.rank())),
            time = TRY(normalize_axis(attrs.time_axis, strides.rank()));
  const std::vector<int64_t> lengths = c.ints(1);
  for (const int64_t length : lengths) {
    if (length < 0 || length > x.dims()[time]) {
      return fail(ErrorCode::data_fault, "a sequence length of {} on a time axis of {} steps", length, x.dims()[time]);
    }
  }
  for (int64_t n = 0; n < x.count(); ++n) {
    const int64_t row = n / strides[batch] % x.dims()[batch], step = n / strides[time] % x.dims()[time];
    const int64_t length = lengths[static_cast<size_t>(row)];
    const int64_t from = step < length ? length - 1 - step : step;
    copy_element(y, n, x, n + (from - step) * strides[time]);
  }
  return {};
}

std::vector<Sample> samples() {
  using sample::counting;
  using sample::ints;
  return {{"time_first", ReverseSequenceAttrs{}, {{counting({4, 4})}, {ints({4, 3, 2, 1})}}},
          {"batch_first", ReverseSequenceAttrs{0, 1}, {{counting(ElementType::i64, {2, 4})}, {ints({0, 4})}}},
          {"wide", ReverseSequenceAttrs{0, 1}, {{counting(ElementType::f16, {2, 3, 2})}, {ints({2, 3})}}},
          {"string", ReverseSequenceAttrs{}, {{counting(ElementType::string, {3, 1})}, {ints({2})}}}};
}

}  // namespace

OpFamily reverse_sequence() {
  return {Op("ReverseSequence", {10, 28})
              .attrs<ReverseSequenceAttrs>()
              .in("input", kNumeric | kBool | kString | kComplex)
              .in("sequence_lens", types(ElementType::i64), 'I')
              .out("Y")
              .infer(infer_reverse_sequence)
              .reference(run_reverse_sequence)
              .samples(samples)
              .doc("The first steps of each batch row in reversed order.")};
}

}  // namespace slipway::ops
