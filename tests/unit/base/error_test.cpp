#include "base/error.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace slipway {
namespace {

Result<std::unique_ptr<int>> make(bool good) {
  if (!good) return Error(ErrorCode::not_found, "no integer here");
  return std::make_unique<int>(7);
}

Result<int> read(bool good) {
  auto held = TRY(make(good));
  return *held;
}

TEST(Result, TryUnwrapsMoveOnlyValues) {
  const auto result = read(true);
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, 7);
}

TEST(Result, TryReturnsTheError) {
  const auto result = read(false);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::not_found);
}

TEST(Error, TextHoldsTheSentenceAndItsNotes) {
  const Error error = Error(ErrorCode::invalid_model, "the bias has 3 elements, expected 4").with("while reading node 'conv1'");
  const std::string text = error.text();
  EXPECT_NE(text.find("the bias has 3 elements"), std::string::npos);
  EXPECT_NE(text.find("conv1"), std::string::npos);
  EXPECT_EQ(name(error.code), "invalid_model");
}

}  // namespace
}  // namespace slipway
