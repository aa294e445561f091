// What requests in flight may hold together.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "serve/codec/infer.hpp"
#include "specs.hpp"

namespace slipway::serve {
namespace {

TEST(MemoryBudget, LeasesShareItAndGiveItBack) {
  const auto budget = std::make_shared<MemoryBudget>(100);
  {
    MemoryLease first(budget), second(budget);
    EXPECT_TRUE(first.grow(60).has_value());
    const Status refused = second.grow(41);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
    EXPECT_FALSE(second.grow(SIZE_MAX).has_value());
    EXPECT_EQ(budget->used(), 60U);
    EXPECT_TRUE(second.grow(40).has_value());
    first.shrink(25);
    EXPECT_TRUE(second.grow(25).has_value());
    EXPECT_EQ(budget->used(), 100U);
  }
  EXPECT_EQ(budget->used(), 0U);
}

TEST(MemoryBudget, ThreadsNeverPassIt) {
  const auto budget = std::make_shared<MemoryBudget>(1000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        MemoryLease lease(budget);
        while (lease.grow(37).has_value()) EXPECT_LE(budget->used(), budget->total());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget->used(), 0U);
}

TEST(MemoryBudget, TensorsCountBeforeTheyAreMade) {
  const auto budget = std::make_shared<MemoryBudget>(64);
  const auto read = [&](ElementType type, std::string_view text, std::optional<size_t> json_bytes) {
    MemoryLease lease(budget);
    const auto request = parse_infer(text, json_bytes, echo(type), &lease);
    return request ? ErrorCode{} : request.error().code;
  };
  const std::string eight = R"({"inputs":[{"name":"x","datatype":"FP64","shape":[8],"data":[1,2,3,4,5,6,7,8]}]})";
  const std::string nine = R"({"inputs":[{"name":"x","datatype":"FP64","shape":[9],"data":[1,2,3,4,5,6,7,8,9]}]})";
  const std::string texts = R"({"inputs":[{"name":"x","datatype":"BYTES","shape":[3],"data":["","",""]}]})";
  EXPECT_EQ(read(ElementType::f64, eight, std::nullopt), ErrorCode{});
  EXPECT_EQ(read(ElementType::f64, nine, std::nullopt), ErrorCode::unavailable);
  EXPECT_EQ(read(ElementType::string, texts, std::nullopt), ErrorCode::unavailable);
  EXPECT_EQ(read(ElementType::u8, std::string(64, 'x'), 0), ErrorCode{});
  EXPECT_EQ(read(ElementType::u8, std::string(65, 'x'), 0), ErrorCode::unavailable);
  EXPECT_EQ(budget->used(), 0U);
}

}  // namespace
}  // namespace slipway::serve
