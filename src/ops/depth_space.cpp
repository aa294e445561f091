// DepthToSpace and SpaceToDepth.
#include "ops/depth_space.hpp"

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kDataTypes = kNumeric | kBool | kString | kComplex;
constexpr int64_t kMaxBlock = 1 << 15;

Status check(const InferContext& c) {
  const auto& attrs = c.attrs<DepthSpaceAttrs>();
  if (attrs.blocksize < 1 || attrs.blocksize > kMaxBlock)
    return fail(ErrorCode::invalid_model, "blocksize {} is out of range", attrs.blocksize);
  if (attrs.mode != "DCR" && attrs.mode != "CRD")
    return fail(ErrorCode::invalid_model, "mode '{}' is not one of DCR, CRD", attrs.mode);
  const Shape* in = c.shape(0);
  if (in != nullptr && in->size() != 4)
    return fail(ErrorCode::invalid_model, "the input has the rank {}, it must be 4", in->size());
  return {};
}

Status expect_divisible(Dim extent, int64_t by, std::string_view what) {
  if (!extent.known() || extent.value() % by == 0) return {};
  return fail(ErrorCode::invalid_model, "{} {} is not divisible by {}", what, extent.value(), by);
}

Status infer_depth_to_space(InferContext& c) {
  TRY(check(c));
  const int64_t b = c.attrs<DepthSpaceAttrs>().blocksize;
  Shape out(4, Dim::unknown());
  if (const Shape* in = c.shape(0)) {
    TRY(expect_divisible((*in)[1], b * b, "the number of channels"));
    out = {(*in)[0], (*in)[1] / Dim(b * b), (*in)[2] * Dim(b), (*in)[3] * Dim(b)};
    TRY(check_size(out));
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status infer_space_to_depth(InferContext& c) {
  TRY(check(c));
  const int64_t b = c.attrs<DepthSpaceAttrs>().blocksize;
  Shape out(4, Dim::unknown());
  if (const Shape* in = c.shape(0)) {
    TRY(expect_divisible((*in)[2], b, "the height"));
    TRY(expect_divisible((*in)[3], b, "the width"));
    out = {(*in)[0], (*in)[1] * Dim(b * b), (*in)[2] / Dim(b), (*in)[3] / Dim(b)};
    TRY(check_size(out));
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

/// Calls f(space, depth) with the offsets of each element in [n, c, h*b, w*b] and in [n, c*b*b, h, w].
template <class F>
void each_pair(const DepthSpaceAttrs& attrs, const Dims& space, F&& f) {
  const int64_t b = attrs.blocksize, channels = space[1], rows = space[2], columns = space[3], h = rows / b, w = columns / b;
  const bool depth_first = attrs.mode == "DCR";
  for (int64_t at = 0; at < space.count(); ++at) {
    const int64_t x = at % columns, y = at / columns % rows, channel = at / columns / rows % channels,
                  n = at / columns / rows / channels;
    const int64_t block = y % b * b + x % b;
    const int64_t deep = depth_first ? block * channels + channel : channel * b * b + block;
    f(at, ((n * channels * b * b + deep) * h + y / b) * w + x / b);
  }
}

Status run_depth_to_space(RefContext& c) {
  Tensor y = c.out(0, c.in(0).type(), TRY(actual_dims(c)));
  each_pair(c.attrs<DepthSpaceAttrs>(), y.dims(), [&](int64_t space, int64_t depth) { copy_element(y, space, c.in(0), depth); });
  return {};
}

Status run_space_to_depth(RefContext& c) {
  Tensor y = c.out(0, c.in(0).type(), TRY(actual_dims(c)));
  each_pair(c.attrs<DepthSpaceAttrs>(), c.in(0).dims(),
            [&](int64_t space, int64_t depth) { copy_element(y, depth, c.in(0), space); });
  return {};
}

using sample::counting;

std::vector<Sample> depth_to_space_samples() {
  return {{"dcr", DepthSpaceAttrs{2}, {{counting({1, 8, 2, 3})}}},
          {"crd", DepthSpaceAttrs{2, "CRD"}, {{counting(ElementType::f16, {2, 8, 2, 3})}}},
          {"block3", DepthSpaceAttrs{3}, {{counting(ElementType::u8, {1, 9, 1, 2})}}},
          {"block1", DepthSpaceAttrs{1}, {{counting(ElementType::i64, {1, 2, 2, 2})}}}};
}
std::vector<Sample> space_to_depth_samples() {
  return {{"dcr", DepthSpaceAttrs{2}, {{counting({1, 2, 4, 6})}}},
          {"crd", DepthSpaceAttrs{2, "CRD"}, {{counting(ElementType::f16, {2, 2, 4, 2})}}},
          {"block3", DepthSpaceAttrs{3}, {{counting(ElementType::i8, {1, 1, 3, 6})}}},
          {"empty", DepthSpaceAttrs{2}, {{counting({0, 2, 4, 4})}}}};
}

}  // namespace

OpFamily depth_space() {
  return {Op("DepthToSpace", {1, 11, 13, 28})
              .attrs<DepthSpaceAttrs>()
              .in("input", kDataTypes)
              .out("output")
              .infer(infer_depth_to_space)
              .reference(run_depth_to_space)
              .samples(depth_to_space_samples)
              .doc("Channels laid out as blocks of pixels."),
          Op("SpaceToDepth", {1, 13, 28})
              .attrs<DepthSpaceAttrs>()
              .in("input", kDataTypes)
              .out("output")
              .infer(infer_space_to_depth)
              .reference(run_space_to_depth)
              .samples(space_to_depth_samples)
              .doc("Blocks of pixels laid out as channels.")};
}

}  // namespace slipway::ops
