#include "serve/codec/compress.hpp"

#include <zlib.h>

#include <algorithm>
#include <memory>

#include "base/format.hpp"

namespace slipway::serve {
namespace {

constexpr size_t kChunk = size_t{64} << 10;
constexpr int kWindow = 15, kGzip = 16;

Bytef* input_of(std::string_view bytes) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

/// A zlib header: method 8, and a 16-bit number that 31 divides.
bool has_zlib_header(std::string_view bytes) {
  if (bytes.size() < 2) return false;
  const auto first = static_cast<uint8_t>(bytes[0]), second = static_cast<uint8_t>(bytes[1]);
  return (first & 15) == 8 && (first * 256 + second) % 31 == 0;
}

}  // namespace

Result<std::string> decompress(std::string_view bytes, Encoding encoding, size_t max_bytes) {
  z_stream stream{};
  const int window = encoding == Encoding::gzip ? kWindow + kGzip : has_zlib_header(bytes) ? kWindow : -kWindow;
  if (inflateInit2(&stream, window) != Z_OK) return fail(ErrorCode::internal, "zlib did not start");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  stream.next_in = input_of(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  for (;;) {
    const size_t before = out.size();
    out.resize(std::max(kChunk, std::min(before * 2, max_bytes + 1)));
    stream.next_out = reinterpret_cast<Bytef*>(out.data()) + before;
    stream.avail_out = static_cast<uInt>(out.size() - before);
    const int state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > max_bytes) return fail(ErrorCode::limit, "the body is larger than {} bytes when decompressed", max_bytes);
    if (state == Z_STREAM_END) break;
    if (state != Z_OK || out.size() == before)
      return fail(ErrorCode::invalid_argument, "the body is not what its Content-Encoding says, or is cut short");
  }
  if (stream.avail_in != 0) return fail(ErrorCode::invalid_argument, "{} bytes follow the compressed body", stream.avail_in);
  return out;
}

Result<std::string> compress(std::string_view bytes, Encoding encoding) {
  z_stream stream{};
  constexpr int kMemoryLevel = 8;
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, encoding == Encoding::gzip ? kWindow + kGzip : kWindow, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return fail(ErrorCode::internal, "zlib did not start");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, deflateEnd);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = input_of(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return fail(ErrorCode::internal, "the reply did not compress");
  out.resize(out.size() - stream.avail_out);
  return out;
}

}  // namespace slipway::serve
