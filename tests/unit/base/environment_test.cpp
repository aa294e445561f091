// Knobs, log sink and CPU description.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/cpu.hpp"
#include "base/knobs.hpp"
#include "base/log.hpp"

namespace slipway {
namespace {

constexpr Knob<int64_t> kNumber{"SLIPWAY_TEST_NUMBER", 7, "a number", 0, 10};
constexpr Knob<bool> kSwitch{"SLIPWAY_TEST_SWITCH", true, "a switch"};
constexpr Knob<std::string_view> kWord{"SLIPWAY_TEST_WORD", "none", "a word"};

struct Line {
  LogLevel level;
  std::string text;
};

class EnvironmentTest : public testing::Test {
 protected:
  void SetUp() override {
    set_log_sink([this](LogLevel level, std::string_view text) { lines_.push_back({level, std::string(text)}); });
  }
  void TearDown() override {
    set_log_sink({});
    for (const char* name : {"SLIPWAY_TEST_NUMBER", "SLIPWAY_TEST_SWITCH", "SLIPWAY_TEST_WORD"}) unsetenv(name);
  }
  std::vector<Line> lines_;
};

TEST_F(EnvironmentTest, KnobsReadTheirType) {
  EXPECT_EQ(kNumber.get(), 7);
  EXPECT_TRUE(kSwitch.get());
  EXPECT_EQ(kWord.get(), "none");
  setenv("SLIPWAY_TEST_NUMBER", "10", 1);
  setenv("SLIPWAY_TEST_SWITCH", "off", 1);
  setenv("SLIPWAY_TEST_WORD", "some", 1);
  EXPECT_EQ(kNumber.get(), 10);
  EXPECT_FALSE(kSwitch.get());
  EXPECT_EQ(kWord.get(), "some");
  setenv("SLIPWAY_TEST_NUMBER", "", 1);
  EXPECT_EQ(kNumber.get(), 7);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(EnvironmentTest, BadValuesFallBackAndAreLoggedOnce) {
  for (const char* bad : {"11", "-1", "3x", "99999999999999999999", " 3"}) {
    setenv("SLIPWAY_TEST_NUMBER", bad, 1);
    EXPECT_EQ(kNumber.get(), 7) << bad;
  }
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0].level, LogLevel::warning);
  EXPECT_NE(lines_[0].text.find("SLIPWAY_TEST_NUMBER='11'"), std::string::npos);
}

TEST_F(EnvironmentTest, KnobsAreListable) {
  std::set<std::string_view> names;
  for (const KnobEntry& knob : list_knobs()) {
    EXPECT_TRUE(knob.name.starts_with("SLIPWAY_")) << knob.name;
    EXPECT_FALSE(knob.doc.empty());
    EXPECT_TRUE(names.insert(knob.name).second) << knob.name << " is declared twice";
    EXPECT_TRUE(knob.from_environment || knob.value == knob.fallback) << knob.name;
  }
  EXPECT_TRUE(names.contains("SLIPWAY_MAX_ISA"));
}

TEST_F(EnvironmentTest, LogHonoursLevelAndSink) {
  log(LogLevel::debug, "dropped {}", 1);
  log(LogLevel::error, "kept {}", 2);
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0].text, "kept 2");
  set_log_sink({});
  EXPECT_FALSE(log_enabled(LogLevel::error));
  log(LogLevel::error, "nobody hears this");
  EXPECT_EQ(lines_.size(), 1u);
}

TEST(Cpu, IsaWordsRoundTrip) {
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512, Isa::avx512_vnni, Isa::avx512_bf16}) {
    EXPECT_EQ(parse_isa(name(isa)), isa);
  }
  EXPECT_FALSE(parse_isa("sse9"));
  EXPECT_FALSE(parse_isa(""));
}

TEST(Cpu, DetectionAgreesWithTheCompilersRuntime) {
  const Isa isa = detected_isa();
#if defined(__x86_64__)
  if (isa >= Isa::avx2) {
    EXPECT_TRUE(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  }
  if (isa >= Isa::avx512) {
    EXPECT_TRUE(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"));
  }
  if (isa >= Isa::avx512_vnni) {
    EXPECT_TRUE(__builtin_cpu_supports("avx512vnni"));
  }
  if (std::getenv("SLIPWAY_MAX_ISA") == nullptr && __builtin_cpu_supports("avx2")) {
    EXPECT_GE(isa, Isa::avx2);
  }
  if (std::getenv("SLIPWAY_MAX_ISA") == nullptr && __builtin_cpu_supports("avx512vnni")) {
    EXPECT_GE(isa, Isa::avx512_vnni);
  }
#else
  EXPECT_EQ(isa, Isa::portable);
#endif
}

TEST(Cpu, CachesArePlausible) {
  const CpuInfo& info = cpu_info();
  EXPECT_GE(info.l1d_bytes, 8 << 10);
  EXPECT_LE(info.l1d_bytes, 1 << 20);
  EXPECT_GE(info.l2_bytes, info.l1d_bytes);
}

}  // namespace
}  // namespace slipway
