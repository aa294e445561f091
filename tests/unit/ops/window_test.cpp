#include "ops/window.hpp"

#include <gtest/gtest.h>

#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/pool.hpp"

namespace slipway::ops {
namespace {

WindowAxis first_axis(const WindowSpec& spec, int64_t in) {
  const Result<Window> w = make_window(spec, {1, 1, in});
  EXPECT_TRUE(w) << w.error().text();
  return w ? w->front() : WindowAxis{};
}

TEST(Window, CountsPositions) {
  const std::vector<int64_t> kernel = {3}, pads = {1, 1}, strides = {2}, dilations = {2};
  EXPECT_EQ(first_axis({"NOTSET", kernel, {}, {}, {}}, 10).out, 8);
  EXPECT_EQ(first_axis({"NOTSET", kernel, pads, {}, {}}, 10).out, 10);
  EXPECT_EQ(first_axis({"NOTSET", kernel, pads, strides, {}}, 10).out, 5);
  EXPECT_EQ(first_axis({"NOTSET", kernel, pads, strides, dilations}, 10).out, 4);
}

TEST(Window, SamePaddingPutsTheOddPixelWhereItIsNamed) {
  const std::vector<int64_t> kernel = {4}, strides = {2};
  const WindowAxis upper = first_axis({"SAME_UPPER", kernel, {}, strides, {}}, 7),
                   lower = first_axis({"SAME_LOWER", kernel, {}, strides, {}}, 7);
  EXPECT_EQ(upper.out, 4);
  EXPECT_EQ(upper.pad_begin, 1);
  EXPECT_EQ(upper.pad_end, 2);
  EXPECT_EQ(lower.pad_begin, 2);
  EXPECT_EQ(lower.pad_end, 1);
}

TEST(Window, CeilModeAddsNoWindowThatStartsInThePadding) {
  const std::vector<int64_t> kernel = {2}, strides = {3}, pads = {0, 1};
  WindowSpec spec{"NOTSET", kernel, pads, strides, {}, true};
  EXPECT_EQ(first_axis(spec, 6).out, 2);  // 7 - 2 = 5 is no multiple of 3, but a third window would start at 6
  EXPECT_EQ(first_axis(spec, 7).out, 3);
}

TEST(Window, ValidIgnoresPads) {
  const std::vector<int64_t> kernel = {3}, pads = {1, 1};
  EXPECT_EQ(first_axis({"VALID", kernel, pads, {}, {}}, 10).out, 8);
}

TEST(Window, MeetingsLeaveOutThePadding) {
  const ConvAttrs attrs{.pads = {1, 1, 1, 1}};
  const Result<Window> w = attrs.window({1, 1, 2, 2}, {1, 1, 3, 3});
  ASSERT_TRUE(w);
  const std::vector<Meeting> corner = meetings(*w, 0), centre = meetings(*w, 4);
  ASSERT_EQ(corner.size(), 1u);
  EXPECT_EQ(corner[0].out, 3);
  EXPECT_EQ(corner[0].in, 0);
  EXPECT_EQ(centre.size(), 4u);
}

TEST(Window, KeepsASymbolOnlyWhereTheExtentIsKept) {
  const std::vector<int64_t> kernel = {3}, pads = {1, 1}, strides = {2};
  const ir::Dim symbol = ir::Dim::symbol(0);
  EXPECT_EQ(*window_extent({"NOTSET", kernel, pads, {}, {}}, 0, symbol), symbol);
  EXPECT_EQ(*window_extent({"SAME_UPPER", kernel, {}, {}, {}}, 0, symbol), symbol);
  EXPECT_EQ(*window_extent({"NOTSET", kernel, {}, {}, {}}, 0, symbol), ir::Dim::unknown());
  EXPECT_EQ(*window_extent({"NOTSET", kernel, pads, strides, {}}, 0, symbol), ir::Dim::unknown());
}

TEST(Window, RefusesWhatCannotBe) {
  const std::vector<int64_t> kernel = {3}, two = {1, 1}, negative = {-1, 0}, zero = {0}, huge = {int64_t{1} << 40};
  EXPECT_FALSE(make_window({"NOTSET", kernel, {}, {}, {}}, {1, 1, 2}));
  EXPECT_FALSE(make_window({"NOTSET", kernel, {}, two, {}}, {1, 1, 8}));
  EXPECT_FALSE(make_window({"NOTSET", kernel, negative, {}, {}}, {1, 1, 8}));
  EXPECT_FALSE(make_window({"NOTSET", kernel, {}, zero, {}}, {1, 1, 8}));
  EXPECT_FALSE(make_window({"NOTSET", huge, {}, {}, {}}, {1, 1, 8}));
  EXPECT_FALSE(make_window({"SAME", kernel, {}, {}, {}}, {1, 1, 8}));
  EXPECT_FALSE(make_window({"NOTSET", kernel, {}, {}, {}}, {1, 1}));
}

TEST(ConvTransposeWindow, FollowsOutputShapeAndPadding) {
  const Dims x = {1, 1, 3}, w = {1, 1, 3};
  const auto axis = [&](const ConvTransposeAttrs& a) { return a.window(x, w)->front(); };
  EXPECT_EQ(axis({.strides = {2}}).in, 7);
  EXPECT_EQ(axis({.strides = {2}, .pads = {1, 1}}).in, 5);
  EXPECT_EQ(axis({.strides = {2}, .pads = {1, 1}, .output_padding = {1}}).in, 6);
  EXPECT_EQ(axis({.auto_pad = "SAME_UPPER", .strides = {2}}).in, 6);
  EXPECT_EQ(axis({.auto_pad = "SAME_UPPER", .strides = {2}}).pad_begin, 0);
  EXPECT_EQ(axis({.auto_pad = "SAME_LOWER", .strides = {2}}).pad_begin, 1);
  EXPECT_EQ(axis({.strides = {2}, .output_shape = {8}}).in, 8);
  EXPECT_FALSE((ConvTransposeAttrs{.pads = {4, 4}}.window(x, w)));
}

TEST(AverageCount, KnowsPaddingFromWhatCeilModeAdds) {
  const AveragePoolAttrs attrs{.ceil_mode = true, .kernel_shape = {3}, .strides = {2}, .pads = {1, 1}};
  const Result<Window> w = attrs.window({1, 1, 6});
  ASSERT_TRUE(w);
  const WindowAxis& axis = w->front();
  ASSERT_EQ(axis.out, 4);
  EXPECT_EQ(average_count(axis, 0, true), 3);
  EXPECT_EQ(average_count(axis, 0, false), 2);
  EXPECT_EQ(average_count(axis, 3, true), 2);  // positions 5, 6 (padding), 7 (beyond it)
  EXPECT_EQ(average_count(axis, 3, false), 1);
}

}  // namespace
}  // namespace slipway::ops
