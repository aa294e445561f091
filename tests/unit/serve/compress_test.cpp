// Content encodings: round trips, both deflate forms, damage, and bombs.
#include <gtest/gtest.h>
#include <zlib.h>

#include "serve/codec/compress.hpp"

namespace slipway::serve {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

/// deflate without the zlib header.
std::string raw_deflate(std::string_view bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

TEST(Compress, RoundTrips) {
  const std::string large(3 * kMiB + 17, 'x');
  for (const std::string& text : {std::string(), std::string("hello"), large}) {
    for (const Encoding encoding : {Encoding::gzip, Encoding::deflate}) {
      const auto packed = compress(text, encoding);
      ASSERT_TRUE(packed.has_value());
      const auto back = decompress(*packed, encoding, 4 * kMiB);
      ASSERT_TRUE(back.has_value()) << back.error().text();
      EXPECT_EQ(*back, text);
    }
    const auto back = decompress(raw_deflate(text), Encoding::deflate, 4 * kMiB);
    ASSERT_TRUE(back.has_value()) << back.error().text();
    EXPECT_EQ(*back, text);
  }
}

TEST(Compress, ABombEndsAtTheCap) {
  const std::string bomb = compress(std::string(64 * kMiB, '\0'), Encoding::gzip).value();
  EXPECT_LT(bomb.size(), kMiB);
  const auto refused = decompress(bomb, Encoding::gzip, kMiB);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::limit);
  const std::string exact = compress(std::string(kMiB, 'a'), Encoding::gzip).value();
  EXPECT_TRUE(decompress(exact, Encoding::gzip, kMiB).has_value());
  EXPECT_FALSE(decompress(exact, Encoding::gzip, kMiB - 1).has_value());
  EXPECT_FALSE(decompress(exact, Encoding::gzip, 0).has_value());
}

TEST(Compress, DamageIsRefused) {
  const std::string packed = compress("some text that is long enough", Encoding::gzip).value();
  for (size_t size = 0; size < packed.size(); ++size) {
    EXPECT_FALSE(decompress(packed.substr(0, size), Encoding::gzip, kMiB).has_value()) << size;
  }
  std::string flipped = packed;
  flipped[packed.size() - 6] ^= 1;  // in the checksum
  EXPECT_FALSE(decompress(flipped, Encoding::gzip, kMiB).has_value());
  EXPECT_FALSE(decompress(packed, Encoding::deflate, kMiB).has_value());
  const auto more = decompress(packed + "x", Encoding::gzip, kMiB);
  ASSERT_FALSE(more.has_value());
  EXPECT_NE(more.error().message.find("1 bytes follow"), std::string::npos);
}

}  // namespace
}  // namespace slipway::serve
