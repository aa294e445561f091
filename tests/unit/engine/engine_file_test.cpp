// Engine files: what is saved is what is loaded, from packed weights alone; damaged, foreign and other-version files are told.
#include "engine/engine_file.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "engine/checksum.hpp"
#include "engine/engine.hpp"
#include "ir/text.hpp"
#include "ops/registry.hpp"

namespace slipway::engine {
namespace {

using Bytes = std::vector<std::byte>;

/// A convolution, a matrix product, weights that are shared, read as they are and small, and an extent that varies.
constexpr std::string_view kNet = R"(
  meta "labels" = "a b"
  input %x: f32[N,16,9,W]
  input %i: i64[2]
  %w = const f32[40,16,3,3] random(1)
  %b = const f32[40] random(2)
  %c = Conv(%x, %w, %b) {pads=[1, 1, 1, 1], strides=[2, 2]}
  %r = Relu(%c)
  %m = ReduceMean(%r, %axes) {keepdims=0}
  %f = const f32[40,64] random(3)
  %y = MatMul(%m, %f)
  %z = MatMul(%y, %g)
  %table = const f32[300,40] random(5)
  %rows = Gather(%table, %i)
  output %z
  output %rows
)";

std::string net_text() {
  std::string text(kNet);
  const auto put = [&](std::string_view before, std::string_view line) { text.insert(text.find(before), line); };
  put("%m =", "%axes = const i64[2]{2, 3}\n");
  put("%z =", "%g = const f32[64,64] random(4)\n");
  return text;
}

std::shared_ptr<Engine> make_net(const Options& options = {}) {
  auto graph = ir::parse(net_text(), ops::lookup);
  EXPECT_TRUE(graph) << graph.error().text();
  auto engine = Engine::from_graph(std::move(*graph), options);
  EXPECT_TRUE(engine) << engine.error().text();
  return *engine;
}

/// The inputs for an image of these extents.
std::vector<ir::Value> inputs(const Dims& dims) {
  Tensor t(ElementType::f32, dims);
  std::mt19937 random(1);
  for (int64_t i = 0; i < dims.count(); ++i) t.as<float>()[i] = static_cast<float>(random() % 2001) / 1000 - 1;
  return {ir::Value(t), ir::Value(Tensor::vector(std::array<int64_t, 2>{1, 299}))};
}

std::vector<ir::Value> run(const Engine& engine, const Dims& dims) {
  std::vector<ir::Value> out;
  const Status done = engine.session()->run(inputs(dims), out);
  EXPECT_TRUE(done) << done.error().text();
  return out;
}

void expect_same(const std::vector<ir::Value>& a, const std::vector<ir::Value>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].tensor()->same_bytes(*b[i].tensor())) << "output " << i;
}

class EngineFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("slipway_engine_test." + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    const Status saved = make_net()->save(path(), inputs(kShape));
    ASSERT_TRUE(saved) << saved.error().text();
    bytes_ = read(path());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path path(const char* name = "net.slip") const { return folder_ / name; }
  static Bytes read(const std::filesystem::path& from) {
    std::ifstream in(from, std::ios::binary);
    const std::vector<char> chars(std::istreambuf_iterator<char>(in), {});
    Bytes out(chars.size());
    std::memcpy(out.data(), chars.data(), chars.size());
    return out;
  }
  static Result<std::shared_ptr<Engine>> load(const Bytes& bytes, bool verify = false) {
    Options options;
    options.verify_weights = verify;
    return Engine::load(bytes, nullptr, options);
  }
  uint64_t word(size_t at) const {
    uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  /// Makes header and checksums right again after a change, as somebody who means harm would.
  static void repair(Bytes& bytes) {
    const auto put = [&](size_t at, uint64_t value) { std::memcpy(bytes.data() + at, &value, sizeof value); };
    uint64_t offset = 0, length = 0;
    std::memcpy(&offset, bytes.data() + 16, 8);
    std::memcpy(&length, bytes.data() + 24, 8);
    if (offset <= bytes.size() && length <= bytes.size() - offset) {
      put(32, checksum(std::span(bytes).subspan(offset, length)));
    }
    put(40, bytes.size());
    put(48, checksum(std::span(bytes).first(48)));
  }

  static constexpr int64_t kWidth = 12;
  const Dims kShape{1, 16, 9, kWidth};
  std::filesystem::path folder_;
  Bytes bytes_;
};

TEST_F(EngineFile, GivesTheSameAnswers) {
  const auto loaded = Engine::load(path());
  ASSERT_TRUE(loaded) << loaded.error().text();
  EXPECT_EQ((*loaded)->graph().metadata.at("labels"), "a b");
  for (const Dims& dims : {kShape, Dims{3, 16, 9, 30}, kShape}) expect_same(run(**loaded, dims), run(*make_net(), dims));
}

TEST_F(EngineFile, HoldsWeightsOnce) {
  const auto loaded = Engine::load(path());
  ASSERT_TRUE(loaded);
  ASSERT_TRUE((*loaded)->file());
  if (detected_isa() >= Isa::avx2) {
    EXPECT_EQ((*loaded)->file()->original_bytes, 300 * 40 * 4) << "only the table is read as it is";
    EXPECT_GE((*loaded)->file()->packed_bytes, (40 * 16 * 9 + 40 * 64 + 64 * 64) * 4);
  }
  EXPECT_FALSE((*make_net()).file());
}

TEST_F(EngineFile, AnotherIsaAndReferencesGetTheOriginals) {
  for (const bool references : {false, true}) {
    Options options;
    options.isa = Isa::portable;
    options.references_only = references;
    const auto loaded = Engine::load(path(), options);
    ASSERT_TRUE(loaded) << loaded.error().text();
    expect_same(run(**loaded, kShape), run(*make_net(options), kShape));
  }
}

TEST_F(EngineFile, SavedAgainIsTheSame) {
  const std::vector<ir::Value> example = inputs(kShape);
  ASSERT_TRUE((*Engine::load(path()))->save(path("again.slip"), example));
  EXPECT_EQ(read(path("again.slip")), bytes_);
  ASSERT_TRUE(make_net()->save(path("anew.slip"), example));
  EXPECT_EQ(read(path("anew.slip")), bytes_);
}

TEST_F(EngineFile, ChoicesAreKept) {
  Options options;
  options.explain = true;
  const auto loaded = Engine::load(path(), options);
  ASSERT_TRUE(loaded);
  const auto contents = read_engine_file(FileBytes(nullptr, bytes_.data(), bytes_.size(), false), true);
  ASSERT_TRUE(contents) << contents.error().text();
  ASSERT_GE(contents->choices.size(), 4u);
  for (const auto& [key, choice] : contents->choices) {
    EXPECT_EQ(key, choice.key);
    ASSERT_NE(choice.winner(), nullptr) << choice.node;
  }
}

TEST_F(EngineFile, GuessesOpenExtents) {
  ASSERT_TRUE(make_net()->save(path("guessed.slip")));
  const auto loaded = Engine::load(path("guessed.slip"));
  ASSERT_TRUE(loaded);
  if (detected_isa() >= Isa::avx2) EXPECT_EQ((*loaded)->file()->original_bytes, 300 * 40 * 4);
  expect_same(run(**loaded, kShape), run(*make_net(), kShape));
}

/// A convolution whose transformed weights cannot be undone: the original is stored, and leaves memory once it is transformed.
TEST_F(EngineFile, FormsThatCannotBeUndoneAreMadeAtLoad) {
  const auto make = [] {
    auto graph = ir::parse(
        "input %x: f32[1,64,28,28]\n%w = const f32[64,64,3,3] random(1)\n"
        "%y = Conv(%x, %w) {pads=[1, 1, 1, 1]}\noutput %y",
        ops::lookup);
    return std::move(Engine::from_graph(std::move(*graph))).value();
  };
  Tensor x(ElementType::f32, {1, 64, 28, 28});
  for (int64_t i = 0; i < x.count(); ++i) x.as<float>()[i] = static_cast<float>(i % 17) / 17;
  const std::vector in{ir::Value(x)};
  ASSERT_TRUE(make()->save(path("conv.slip"), in));
  EXPECT_LE(std::filesystem::file_size(path("conv.slip")), 64 * 64 * 9 * 4 * 1.05) << "stored once, whichever kernel is chosen";
  std::vector<ir::Value> expected, first, second;
  ASSERT_TRUE(make()->session()->run(in, expected));
  const auto loaded = Engine::load(path("conv.slip"));
  ASSERT_TRUE(loaded);
  ASSERT_TRUE((*loaded)->session()->run(in, first));
  expect_same(first, expected);
  // What left memory is read again for whoever wants it, if it is still the same.
  ASSERT_TRUE((*loaded)->save(path("conv2.slip"), in));
  EXPECT_EQ(read(path("conv2.slip")), read(path("conv.slip")));
  Options keep;
  keep.keep_originals = true;
  const auto keeping = Engine::load(path("conv2.slip"), keep), not_keeping = Engine::load(path("conv2.slip"));
  ASSERT_TRUE(keeping && not_keeping);
  for (const auto& engine : {*keeping, *not_keeping}) ASSERT_TRUE(engine->session()->run(in, second));
  std::filesystem::resize_file(path("conv2.slip"), 64);
  EXPECT_TRUE((*keeping)->save(path("conv3.slip"), in));
  const Status saved = (*not_keeping)->save(path("conv3.slip"), in);
  EXPECT_TRUE(saved || saved.error().text().find("became shorter") != std::string::npos);
  ASSERT_TRUE((*not_keeping)->session()->run(in, second)) << "what is packed serves on";
  expect_same(second, expected);
}

TEST_F(EngineFile, TruncatedAnywhere) {
  std::mt19937 random(7);
  std::vector<size_t> lengths{0, 1, 7, 8, 55, 56, bytes_.size() - 1};
  for (size_t at = 64; at < bytes_.size(); at += 64) lengths.push_back(at);  // every boundary of sections is among these
  for (int i = 0; i < 200; ++i) lengths.push_back(random() % bytes_.size());
  for (const size_t length : lengths) {
    Bytes cut(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_FALSE(load(cut)) << length;
    if (length < 56) continue;
    repair(cut);
    EXPECT_FALSE(load(cut)) << length << " with a header to match";
  }
}

TEST_F(EngineFile, FlippedBits) {
  const size_t metadata = word(16);
  std::mt19937 random(8);
  std::vector<size_t> places(56);
  for (size_t i = 0; i < places.size(); ++i) places[i] = i;
  for (int i = 0; i < 300; ++i) places.push_back(metadata + random() % (bytes_.size() - metadata));
  for (const size_t at : places) {
    Bytes flipped = bytes_;
    flipped[at] ^= std::byte{1} << random() % 8;
    EXPECT_FALSE(load(flipped)) << at;
  }
  for (int i = 0; i < 40; ++i) {
    const size_t at = 64 + random() % (64 * 64 * 4);
    Bytes flipped = bytes_;
    flipped[at] ^= std::byte{1} << random() % 8;
    EXPECT_FALSE(load(flipped, true)) << at;
    EXPECT_TRUE(load(flipped)) << "weights are checked when asked";
  }
}

TEST_F(EngineFile, MetadataChangedWithRightChecksumsNeverCrashes) {
  const size_t metadata = word(16);
  std::mt19937 random(9);
  for (int i = 0; i < 3000; ++i) {
    Bytes changed = bytes_;
    const size_t changes = 1 + random() % 3;
    for (size_t k = 0; k < changes; ++k) {
      const size_t at = random() % 8 == 0 ? random() % 56 : metadata + random() % (bytes_.size() - metadata);
      changed[at] = static_cast<std::byte>(random());
    }
    repair(changed);
    const auto file = read_engine_file(FileBytes(nullptr, changed.data(), changed.size(), false), false);
    if (!file) {
      EXPECT_FALSE(file.error().text().empty());
      continue;
    }
    ModelPackedStore store(file->graph, file->constants);
    for (ir::ValueId v = 0; v < file->graph.value_count(); ++v) {
      if (file->graph.value(v).is_constant()) EXPECT_TRUE(store.provide(file->graph.value(v).constant));
    }
  }
}

TEST_F(EngineFile, ForeignNewerOlder) {
  EXPECT_FALSE(load(Bytes(5000)));
  Bytes other = bytes_;
  for (const uint32_t version : {0u, 1u, kFormatVersion + 1, UINT32_MAX}) {
    std::memcpy(other.data() + 8, &version, sizeof version);
    const auto loaded = load(other);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::unsupported);
    EXPECT_NE(loaded.error().text().find("build it again"), std::string::npos);
  }
}

TEST_F(EngineFile, UnwritableLeavesNothing) {
  EXPECT_FALSE(make_net()->save(folder_ / "no" / "folder.slip"));
  std::filesystem::create_directory(folder_ / "taken.slip");
  EXPECT_FALSE(make_net()->save(folder_ / "taken.slip"));
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++files;
  EXPECT_EQ(files, 2u) << "no temporary file is left";
}

}  // namespace
}  // namespace slipway::engine
