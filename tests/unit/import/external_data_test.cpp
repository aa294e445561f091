#include <unistd.h>

#include <fstream>

#include "unit/import/import_model.hpp"
#include "unit/import/proto_writer.hpp"

namespace slipway::test {
namespace {

namespace fs = std::filesystem;

class ExternalData : public testing::Test {
 protected:
  ExternalData() : root_(fs::temp_directory_path() / ("slipway_external_" + std::to_string(getpid()))), folder_(root_ / "model") {
    fs::create_directories(folder_ / "deep");
    write(folder_ / "weights.bin", "0123" + raw<float>({1, 2, 3}));
    write(folder_ / "deep" / "weights.bin", raw<float>({4, 5, 6}));
    write(root_ / "secret.bin", raw<float>({7, 8, 9}));
  }
  ~ExternalData() override { fs::remove_all(root_); }

  static void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
  /// A model in the folder whose output is an f32[3] in a file beside it.
  Result<ir::Graph> read(const std::string& location, const std::string& offset, const std::string& length, bool map = false) {
    Message t = Message().packed(1, {3}).integer(2, 1).bytes(8, "t").integer(14, 1);
    t.add(13, Message().bytes(1, "location").bytes(2, location));
    if (!offset.empty()) t.add(13, Message().bytes(1, "offset").bytes(2, offset));
    if (!length.empty()) t.add(13, Message().bytes(1, "length").bytes(2, length));
    write(folder_ / "model.onnx", model(graph({{}, {}, {Message().bytes(1, "t")}, {t}})));
    return import::read(folder_ / "model.onnx", {.map_files = map});
  }
  float first(const Result<ir::Graph>& g) { return g->value(g->outputs()[0]).constant.as<float>()[0]; }
  void refuses(const std::string& location, const std::string& offset, const std::string& length, const std::string& says) {
    SCOPED_TRACE(location + " " + offset + " " + length);
    const Result<ir::Graph> g = read(location, offset, length);
    ASSERT_FALSE(g);
    EXPECT_HAS(g.error().text(), says);
    EXPECT_HAS(g.error().text(), "model.onnx");
  }

  fs::path root_, folder_;
};

TEST_F(ExternalData, IsFoundBesideTheModel) {
  for (bool map : {false, true}) {
    const Result<ir::Graph> g = read("weights.bin", "4", "12", map);
    ASSERT_TRUE(g) << g.error().text();
    EXPECT_EQ(first(g), 1);
    const Result<ir::Graph> deep = read("deep/weights.bin", "", "", map);
    ASSERT_TRUE(deep) << deep.error().text();
    EXPECT_EQ(first(deep), 4);
  }
}

TEST_F(ExternalData, OutsideTheFileIsRefused) {
  refuses("weights.bin", "5", "12", "is it complete?");
  refuses("weights.bin", "18446744073709551615", "12", "is it complete?");
  refuses("weights.bin", "4", "11", "has 11 bytes where");
  refuses("weights.bin", "-4", "12", "offset");
  refuses("weights.bin", "4x", "12", "offset");
  refuses("weights.bin", "4", "99999999999999999999", "length");
}

TEST_F(ExternalData, OutsideTheFolderIsRefused) {
  fs::create_symlink(root_ / "secret.bin", folder_ / "link.bin");
  fs::create_symlink(root_, folder_ / "linked");
  fs::create_symlink("weights.bin", folder_ / "inner.bin");
  for (const std::string& location :
       {std::string("../secret.bin"), (root_ / "secret.bin").string(), std::string("deep/../../secret.bin"),
        std::string("link.bin"), std::string("linked/secret.bin"), std::string("none.bin"), std::string("deep"), std::string(""),
        std::string("weights.bin\0x", 13)}) {
    refuses(location, "", "", "initializer t");
  }
  EXPECT_TRUE(read("inner.bin", "4", "12"));
}

TEST_F(ExternalData, LiesBeyondFourGigabytes) {
  constexpr uint64_t kFar = (uint64_t{5} << 30) + 64;
  write(folder_ / "large.bin", "");
  fs::resize_file(folder_ / "large.bin", kFar);  // a hole: takes no space
  std::ofstream(folder_ / "large.bin", std::ios::binary | std::ios::app) << raw<float>({8, 9, 10});
  const Result<ir::Graph> g = read("large.bin", std::to_string(kFar), "12", true);
  ASSERT_TRUE(g) << g.error().text();
  EXPECT_EQ(first(g), 8);
}

}  // namespace
}  // namespace slipway::test
