#include <spng.h>
#include <turbojpeg.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include "picture.hpp"

namespace {

constexpr int64_t kMaxPixels = int64_t{64} << 20;

slipway::Error bad(const std::string& path, const std::string& why) {
  return {SLIPWAY_INVALID_ARGUMENT, path + ": " + why};
}

bool sensible(int64_t width, int64_t height) {
  return width > 0 && height > 0 && width <= kMaxPixels / height;
}

slipway::Result<Picture> read_png(const std::string& path, const std::vector<char>& bytes) {
  const std::unique_ptr<spng_ctx, void (*)(spng_ctx*)> png(spng_ctx_new(0), spng_ctx_free);
  spng_set_png_buffer(png.get(), bytes.data(), bytes.size());
  spng_ihdr header{};
  if (const int error = spng_get_ihdr(png.get(), &header); error != 0) return bad(path, spng_strerror(error));
  if (!sensible(header.width, header.height)) return bad(path, "too many pixels");
  Picture out(static_cast<int>(header.width), static_cast<int>(header.height));
  const int error = spng_decode_image(png.get(), out.rgb.data(), out.rgb.size(), SPNG_FMT_RGB8, 0);
  if (error != 0) return bad(path, spng_strerror(error));
  return out;
}

slipway::Result<Picture> read_jpeg(const std::string& path, const std::vector<char>& bytes) {
  const std::unique_ptr<void, int (*)(void*)> jpeg(tjInitDecompress(), tjDestroy);
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, sampling = 0, colours = 0;
  if (tjDecompressHeader3(jpeg.get(), data, bytes.size(), &width, &height, &sampling, &colours) != 0) {
    return bad(path, tjGetErrorStr2(jpeg.get()));
  }
  if (!sensible(width, height)) return bad(path, "too many pixels");
  Picture out(width, height);
  if (tjDecompress2(jpeg.get(), data, bytes.size(), out.rgb.data(), width, 0, height, TJPF_RGB, TJFLAG_ACCURATEDCT) != 0 &&
      tjGetErrorCode(jpeg.get()) == TJERR_FATAL) {
    return bad(path, tjGetErrorStr2(jpeg.get()));
  }
  return out;
}

}  // namespace

slipway::Result<Picture> read_picture(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return bad(path, "cannot be opened");
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  if (bytes.size() > 8 && std::memcmp(bytes.data(), "\x89PNG", 4) == 0) return read_png(path, bytes);
  if (bytes.size() > 8 && std::memcmp(bytes.data(), "\xff\xd8", 2) == 0) return read_jpeg(path, bytes);
  return bad(path, "neither PNG nor JPEG");
}

slipway::Status write_png(const Picture& picture, const std::string& path) {
  const std::unique_ptr<spng_ctx, void (*)(spng_ctx*)> png(spng_ctx_new(SPNG_CTX_ENCODER), spng_ctx_free);
  spng_ihdr header{};
  header.width = static_cast<uint32_t>(picture.width);
  header.height = static_cast<uint32_t>(picture.height);
  header.bit_depth = 8;
  header.color_type = SPNG_COLOR_TYPE_TRUECOLOR;
  spng_set_option(png.get(), SPNG_ENCODE_TO_BUFFER, 1);
  spng_set_ihdr(png.get(), &header);
  int error = spng_encode_image(png.get(), picture.rgb.data(), picture.rgb.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
  size_t size = 0;
  const std::unique_ptr<void, void (*)(void*)> bytes(error == 0 ? spng_get_png_buffer(png.get(), &size, &error) : nullptr,
                                                     std::free);
  if (error != 0) return bad(path, spng_strerror(error));
  std::ofstream out(path, std::ios::binary);
  if (!out.write(static_cast<const char*>(bytes.get()), static_cast<std::streamsize>(size)))
    return bad(path, "cannot be written");
  return {};
}
