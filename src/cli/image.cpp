#include "cli/image.hpp"

#include <spng.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

#include "base/format.hpp"
#include "base/low_precision.hpp"

namespace slipway::cli {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr int64_t kMaxPixels = int64_t{64} << 20;

Status check_size(const std::string& path, int64_t width, int64_t height) {
  if (width <= 0 || height <= 0 || width > kMaxPixels / height) {
    return fail(ErrorCode::limit, "{}: {}x{} pixels are outside 1..{}", path, width, height, kMaxPixels);
  }
  return {};
}

Result<Picture> read_jpeg(const std::string& path, const std::vector<char>& bytes) {
  const std::unique_ptr<void, int (*)(void*)> decoder(tjInitDecompress(), tjDestroy);
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, sampling = 0, colours = 0;
  if (tjDecompressHeader3(decoder.get(), data, bytes.size(), &width, &height, &sampling, &colours) != 0) {
    return fail(ErrorCode::invalid_argument, "{}: not a readable JPEG: {}", path, tjGetErrorStr2(decoder.get()));
  }
  TRY(check_size(path, width, height));
  Picture out{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) * 3)};
  if (tjDecompress2(decoder.get(), data, bytes.size(), out.rgb.data(), width, 0, height, TJPF_RGB, TJFLAG_ACCURATEDCT) != 0 &&
      tjGetErrorCode(decoder.get()) == TJERR_FATAL) {
    return fail(ErrorCode::invalid_argument, "{}: the JPEG is damaged: {}", path, tjGetErrorStr2(decoder.get()));
  }
  return out;
}

Result<Picture> read_png(const std::string& path, const std::vector<char>& bytes) {
  const std::unique_ptr<spng_ctx, void (*)(spng_ctx*)> context(spng_ctx_new(0), spng_ctx_free);
  spng_set_png_buffer(context.get(), bytes.data(), bytes.size());
  spng_ihdr header{};
  size_t size = 0;
  int error = spng_get_ihdr(context.get(), &header);
  if (error == 0) TRY(check_size(path, header.width, header.height));
  if (error == 0) error = spng_decoded_image_size(context.get(), SPNG_FMT_RGB8, &size);
  if (error != 0) return fail(ErrorCode::invalid_argument, "{}: not a readable PNG: {}", path, spng_strerror(error));
  Picture out{header.width, header.height, std::vector<uint8_t>(size)};
  error = spng_decode_image(context.get(), out.rgb.data(), size, SPNG_FMT_RGB8, 0);
  if (error != 0) return fail(ErrorCode::invalid_argument, "{}: the PNG is damaged: {}", path, spng_strerror(error));
  return out;
}

/// Bilinear with an area filter when shrinking; pixel centres at half integers.
std::vector<float> resize(const Picture& picture, double left, double top, double width, double height, int64_t to_width,
                          int64_t to_height) {
  std::vector<float> out(static_cast<size_t>(to_width * to_height * 3));
  struct Taps {
    int64_t first;
    std::vector<double> weights;
  };
  const auto taps = [](double start, double span, int64_t count, int64_t limit) {
    std::vector<Taps> all;
    const double step = span / static_cast<double>(count), radius = std::max(1.0, step);
    for (int64_t i = 0; i < count; ++i) {
      const double centre = start + (static_cast<double>(i) + 0.5) * step - 0.5;
      const auto first = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(centre - radius)), 0, limit - 1);
      const auto last = std::clamp<int64_t>(static_cast<int64_t>(std::floor(centre + radius)), first, limit - 1);
      Taps t{first, {}};
      double sum = 0;
      for (int64_t k = first; k <= last; ++k) {
        t.weights.push_back(std::max(1e-9, 1 - std::abs(static_cast<double>(k) - centre) / radius));
        sum += t.weights.back();
      }
      for (double& w : t.weights) w /= sum;
      all.push_back(std::move(t));
    }
    return all;
  };
  const std::vector<Taps> columns = taps(left, width, to_width, picture.width),
                          rows = taps(top, height, to_height, picture.height);
  std::vector<double> line(static_cast<size_t>(picture.width) * 3);
  for (int64_t y = 0; y < to_height; ++y) {
    const Taps& row = rows[static_cast<size_t>(y)];
    std::fill(line.begin(), line.end(), 0.0);
    for (size_t k = 0; k < row.weights.size(); ++k) {
      const uint8_t* from = picture.rgb.data() + (static_cast<size_t>(row.first) + k) * line.size();
      for (size_t i = 0; i < line.size(); ++i) line[i] += row.weights[k] * from[i];
    }
    for (int64_t x = 0; x < to_width; ++x) {
      const Taps& column = columns[static_cast<size_t>(x)];
      for (size_t c = 0; c < 3; ++c) {
        double sum = 0;
        for (size_t k = 0; k < column.weights.size(); ++k)
          sum += column.weights[k] * line[(static_cast<size_t>(column.first) + k) * 3 + c];
        out[static_cast<size_t>(y * to_width + x) * 3 + c] = static_cast<float>(sum);
      }
    }
  }
  return out;
}

Result<std::vector<double>> channel_list(const std::string& text, std::string_view option, std::vector<double> otherwise) {
  if (text.empty()) return otherwise;
  std::vector<double> out;
  size_t at = 0;
  while (at < text.size()) {
    size_t used = 0;
    try {
      out.push_back(std::stod(text.substr(at), &used));
    } catch (const std::exception&) {
      return fail(ErrorCode::invalid_argument, "{} '{}': numbers with commas between them", option, text);
    }
    at += used + 1;
  }
  if (out.size() == 1) out.resize(3, out[0]);
  if (out.size() != 3) return fail(ErrorCode::invalid_argument, "{} '{}': one or three numbers", option, text);
  return out;
}

}  // namespace

Result<Picture> read_picture(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return fail(ErrorCode::io, "{}: cannot be opened: {}", path, std::strerror(errno));
  const auto size = static_cast<size_t>(in.tellg());
  if (size < 8 || size > kMaxFileBytes)
    return fail(ErrorCode::limit, "{}: {} bytes, a picture has 8..{}", path, size, kMaxFileBytes);
  std::vector<char> bytes(size);
  in.seekg(0);
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  if (std::memcmp(bytes.data(), "\x89PNG", 4) == 0) return read_png(path, bytes);
  if (std::memcmp(bytes.data(), "\xff\xd8", 2) == 0) return read_jpeg(path, bytes);
  return fail(ErrorCode::invalid_argument, "{}: neither .npy, .pb, PNG nor JPEG", path);
}

Result<Tensor> picture_input(const std::string& path, const std::string& input, const ir::Fact& fact, const Dims* shape,
                             const InputOptions& options, std::vector<std::string>& notes) {
  const Picture picture = TRY(read_picture(path));
  if (!fact.is_tensor() || !fact.shape || fact.shape->size() != 4) {
    return fail(ErrorCode::invalid_argument, "input '{}' is {}, not a picture of four axes", input, to_string(fact));
  }
  const auto extent = [&](size_t axis, int64_t otherwise) {
    if (shape != nullptr && shape->rank() == 4) return (*shape)[static_cast<int>(axis)];
    const ir::Dim d = (*fact.shape)[axis];
    return d.known() ? d.value() : otherwise;
  };
  const bool channels_last = (*fact.shape)[3] == ir::Dim(3) || (*fact.shape)[3] == ir::Dim(1);
  const int64_t channels = channels_last ? extent(3, 3) : extent(1, 3);
  const int64_t height = extent(channels_last ? 1 : 2, picture.height), width = extent(channels_last ? 2 : 3, picture.width);
  if (channels != 3 && channels != 1)
    return fail(ErrorCode::invalid_argument, "input '{}' wants {} channels, a picture has 3 or 1", input, channels);
  TRY(check_size(path, width, height));

  double left = 0, top = 0, across = static_cast<double>(picture.width), down = static_cast<double>(picture.height);
  if (options.resize == "crop") {  // the largest centred part of the target's aspect
    const double aspect = static_cast<double>(width) / static_cast<double>(height);
    const double part = std::min(across, down * aspect);
    left = (across - part) / 2;
    top = (down - part / aspect) / 2;
    across = part;
    down = part / aspect;
  }
  const std::vector<float> pixels = resize(picture, left, top, across, down, width, height);
  const bool whole_numbers = fact.type == ElementType::u8;
  const std::vector<double> none(3, 0.0), one(3, whole_numbers ? 1.0 : 255.0);
  const std::vector<double> mean = TRY(channel_list(options.mean, "--mean", none));
  const std::vector<double> scale = TRY(channel_list(options.scale, "--scale", one));
  const Dims dims = channels_last ? Dims{1, height, width, channels} : Dims{1, channels, height, width};
  Tensor out(fact.type, dims);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const float* rgb = &pixels[static_cast<size_t>(y * width + x) * 3];
      for (int64_t c = 0; c < channels; ++c) {
        const auto source = static_cast<size_t>(options.bgr ? 2 - c : c);
        const double value = channels == 1 ? 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] : rgb[source];
        const double made = (value - mean[static_cast<size_t>(c)]) / scale[static_cast<size_t>(c)];
        const int64_t index = channels_last ? (y * width + x) * channels + c : (c * height + y) * width + x;
        store_double(out.data(), fact.type, index, whole_numbers ? std::round(made) : made);
      }
    }
  }
  notes.push_back(fmt::format("input '{}': picture {} ({}x{}) {} to {}x{}, {}, {}, (value - [{},{},{}]) / [{},{},{}]", input,
                              path, picture.width, picture.height, options.resize == "crop" ? "cropped and resized" : "stretched",
                              width, height, options.bgr ? "BGR" : "RGB", channels_last ? "NHWC" : "NCHW", mean[0], mean[1],
                              mean[2], scale[0], scale[1], scale[2]));
  return out;
}

}  // namespace slipway::cli
