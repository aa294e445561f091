// ImageDecoder: pictures in files of eight formats as bytes [height, width, channels]. What cannot be decoded is an empty one.
#include <openjpeg.h>
#include <spng.h>
#include <tiffio.h>
#include <turbojpeg.h>
#include <webp/decode.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr int64_t kMaxPixels = int64_t{64} << 20;

using Bytes = std::span<const uint8_t>;

struct ImageDecoderAttrs {
  std::string pixel_format = "RGB";  ///< RGB | BGR | Grayscale
  bool operator==(const ImageDecoderAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("pixel_format", &ImageDecoderAttrs::pixel_format)}; }
};

/// Three bytes a pixel; without pixels: not decoded.
struct Picture {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;

  /// Room for the picture; false when it is empty or too large.
  bool make(int64_t w, int64_t h) {
    if (w <= 0 || h <= 0 || w > kMaxPixels / h) return false;
    width = w;
    height = h;
    rgb.assign(static_cast<size_t>(w * h) * 3, 0);
    return true;
  }
  uint8_t* pixel(int64_t x, int64_t y) { return rgb.data() + (y * width + x) * 3; }
  void set(int64_t x, int64_t y, uint32_t r, uint32_t g, uint32_t b) {
    uint8_t* to = pixel(x, y);
    to[0] = static_cast<uint8_t>(r);
    to[1] = static_cast<uint8_t>(g);
    to[2] = static_cast<uint8_t>(b);
  }
};

bool begins(Bytes file, std::string_view with, size_t at = 0) {
  return file.size() >= at + with.size() && std::memcmp(file.data() + at, with.data(), with.size()) == 0;
}

// ---- JPEG, PNG, WebP

bool decode_jpeg(Bytes file, Picture& out) {
  const std::unique_ptr<void, int (*)(void*)> decoder(tjInitDecompress(), tjDestroy);
  int width = 0, height = 0, sampling = 0, colours = 0;
  if (tjDecompressHeader3(decoder.get(), file.data(), file.size(), &width, &height, &sampling, &colours) != 0) return false;
  if (!out.make(width, height)) return false;
  const int done =
      tjDecompress2(decoder.get(), file.data(), file.size(), out.rgb.data(), width, 0, height, TJPF_RGB, TJFLAG_ACCURATEDCT);
  return done == 0 || tjGetErrorCode(decoder.get()) != TJERR_FATAL;
}

bool decode_png(Bytes file, Picture& out) {
  const std::unique_ptr<spng_ctx, void (*)(spng_ctx*)> context(spng_ctx_new(0), spng_ctx_free);
  spng_ihdr header{};
  spng_set_image_limits(context.get(), static_cast<uint32_t>(kMaxPixels), static_cast<uint32_t>(kMaxPixels));
  return spng_set_png_buffer(context.get(), file.data(), file.size()) == 0 && spng_get_ihdr(context.get(), &header) == 0 &&
         out.make(header.width, header.height) &&
         spng_decode_image(context.get(), out.rgb.data(), out.rgb.size(), SPNG_FMT_RGB8, 0) == 0;
}

bool decode_webp(Bytes file, Picture& out) {
  int width = 0, height = 0;
  return WebPGetInfo(file.data(), file.size(), &width, &height) != 0 && out.make(width, height) &&
         WebPDecodeRGBInto(file.data(), file.size(), out.rgb.data(), out.rgb.size(), width * 3) != nullptr;
}

// ---- JPEG 2000

struct Reader {
  Bytes bytes;
  size_t at = 0;
};

bool decode_jpeg2000(Bytes file, Picture& out) {
  Reader reader{file};
  const auto free_stream = [](opj_stream_t* s) { opj_stream_destroy(s); };
  const std::unique_ptr<opj_stream_t, decltype(free_stream)> stream(opj_stream_default_create(OPJ_TRUE), free_stream);
  opj_stream_set_user_data(stream.get(), &reader, nullptr);
  opj_stream_set_user_data_length(stream.get(), file.size());
  opj_stream_set_read_function(stream.get(), [](void* to, OPJ_SIZE_T wanted, void* user) -> OPJ_SIZE_T {
    auto& r = *static_cast<Reader*>(user);
    const size_t count = std::min<size_t>(wanted, r.bytes.size() - r.at);
    if (count == 0) return static_cast<OPJ_SIZE_T>(-1);
    std::memcpy(to, r.bytes.data() + r.at, count);
    r.at += count;
    return count;
  });
  opj_stream_set_skip_function(stream.get(), [](OPJ_OFF_T by, void* user) -> OPJ_OFF_T {
    auto& r = *static_cast<Reader*>(user);
    const auto most = static_cast<OPJ_OFF_T>(r.bytes.size() - r.at);
    if (by < 0 || by > most) return -1;
    r.at += static_cast<size_t>(by);
    return by;
  });
  opj_stream_set_seek_function(stream.get(), [](OPJ_OFF_T to, void* user) -> OPJ_BOOL {
    auto& r = *static_cast<Reader*>(user);
    if (to < 0 || static_cast<size_t>(to) > r.bytes.size()) return OPJ_FALSE;
    r.at = static_cast<size_t>(to);
    return OPJ_TRUE;
  });
  const bool boxed = begins(file, std::string_view("\0\0\0\x0cjP  ", 8));
  const auto free_codec = [](opj_codec_t* c) { opj_destroy_codec(c); };
  const std::unique_ptr<opj_codec_t, decltype(free_codec)> codec(opj_create_decompress(boxed ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K),
                                                                 free_codec);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* raw = nullptr;
  bool good = opj_setup_decoder(codec.get(), &parameters) != 0 && opj_read_header(stream.get(), codec.get(), &raw) != 0;
  const auto free_image = [](opj_image_t* i) { opj_image_destroy(i); };
  const std::unique_ptr<opj_image_t, decltype(free_image)> image(raw, free_image);
  if (!good || image->x1 <= image->x0 || image->y1 <= image->y0 || !out.make(image->x1 - image->x0, image->y1 - image->y0))
    return false;
  if (opj_decode(codec.get(), stream.get(), image.get()) == 0 || image->numcomps == 0) return false;
  const uint32_t used = image->numcomps < 3 ? 1 : 3;
  for (uint32_t c = 0; c < used; ++c) {
    const opj_image_comp_t& part = image->comps[c];
    if (part.data == nullptr || part.w != out.width || part.h != out.height || part.prec < 1 || part.prec > 31) return false;
    const int64_t most = (int64_t{1} << part.prec) - 1, offset = part.sgnd != 0 ? int64_t{1} << (part.prec - 1) : 0;
    for (int64_t i = 0; i < out.width * out.height; ++i) {
      const int64_t value = std::clamp<int64_t>(part.data[i] + offset, 0, most);
      const auto byte = static_cast<uint8_t>(part.prec == 8 ? value : value * 255 / most);
      for (uint32_t k = c; k < (used == 1 ? 3 : c + 1); ++k) out.rgb[static_cast<size_t>(i) * 3 + k] = byte;
    }
  }
  return true;
}

// ---- TIFF

tmsize_t tiff_read(thandle_t user, void* to, tmsize_t wanted) {
  auto& r = *static_cast<Reader*>(user);
  const size_t count = std::min(static_cast<size_t>(std::max<tmsize_t>(wanted, 0)), r.bytes.size() - r.at);
  std::memcpy(to, r.bytes.data() + r.at, count);
  r.at += count;
  return static_cast<tmsize_t>(count);
}

toff_t tiff_seek(thandle_t user, toff_t to, int whence) {
  auto& r = *static_cast<Reader*>(user);
  const toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? r.at : r.bytes.size();
  r.at = static_cast<size_t>(std::min<toff_t>(base + to, r.bytes.size()));
  return r.at;
}

bool decode_tiff(Bytes file, Picture& out) {
  Reader reader{file};
  const auto free_options = [](TIFFOpenOptions* o) { TIFFOpenOptionsFree(o); };
  const std::unique_ptr<TIFFOpenOptions, decltype(free_options)> options(TIFFOpenOptionsAlloc(), free_options);
  const auto silent = [](TIFF*, void*, const char*, const char*, va_list) { return 1; };
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), silent, nullptr);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), silent, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMaxPixels * 8);
  const auto close = [](TIFF* t) { TIFFClose(t); };
  const std::unique_ptr<TIFF, decltype(close)> tiff(
      TIFFClientOpenExt(
          "", "rm", &reader, tiff_read, [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; }, tiff_seek,
          [](thandle_t) { return 0; }, [](thandle_t user) -> toff_t { return static_cast<Reader*>(user)->bytes.size(); },
          [](thandle_t, void**, toff_t*) { return 0; }, [](thandle_t, void*, toff_t) {}, options.get()),
      close);
  uint32_t width = 0, height = 0;
  if (!tiff || TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width) == 0 ||
      TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height) == 0 || !out.make(width, height))
    return false;
  std::vector<uint32_t> pixels(out.rgb.size() / 3);
  if (TIFFReadRGBAImageOriented(tiff.get(), width, height, pixels.data(), ORIENTATION_TOPLEFT, 0) == 0) return false;
  for (size_t i = 0; i < pixels.size(); ++i) {
    const uint32_t p = pixels[i];
    out.set(static_cast<int64_t>(i) % out.width, static_cast<int64_t>(i) / out.width, TIFFGetR(p), TIFFGetG(p), TIFFGetB(p));
  }
  return true;
}

// ---- BMP

uint32_t little(Bytes file, size_t at, size_t count) {
  uint32_t out = 0;
  for (size_t i = 0; i < count; ++i) out |= uint32_t{file[at + i]} << (8 * i);
  return out;
}

/// The bits that a mask selects, spread over a byte.
uint32_t masked(uint32_t value, uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const uint64_t most = mask >> shift;
  return static_cast<uint32_t>(uint64_t{(value & mask) >> shift} * 255 / most);
}

bool decode_bmp(Bytes file, Picture& out) {
  if (file.size() < 30) return false;
  const uint32_t first = little(file, 10, 4), header = little(file, 14, 4);
  const bool old = header == 12;
  if ((!old && header < 40) || file.size() < 14 + size_t{header}) return false;
  const auto width = static_cast<int32_t>(little(file, 18, old ? 2 : 4));
  auto height = static_cast<int64_t>(static_cast<int32_t>(little(file, old ? 20 : 22, old ? 2 : 4)));
  const uint32_t depth = little(file, old ? 24 : 28, 2), packing = old ? 0 : little(file, 30, 4);
  const bool upward = height > 0;
  height = std::abs(height);
  const bool fields = packing == 3 || packing == 6;
  if ((packing != 0 && !fields) || (depth != 1 && depth != 4 && depth != 8 && depth != 16 && depth != 24 && depth != 32))
    return false;
  if (!out.make(width, height)) return false;
  const uint64_t stride = (uint64_t{depth} * static_cast<uint64_t>(width) + 31) / 32 * 4;
  if (first > file.size() || stride * static_cast<uint64_t>(height) > file.size() - first) return false;
  uint32_t red = depth == 16 ? 0x7c00 : 0xff0000, green = depth == 16 ? 0x3e0 : 0xff00, blue = depth == 16 ? 0x1f : 0xff;
  if (fields) {
    if (file.size() < 66) return false;
    red = little(file, 54, 4), green = little(file, 58, 4), blue = little(file, 62, 4);
  }
  const size_t table = 14 + size_t{header}, entry = old ? 3 : 4, colours = first < table ? 0 : (first - table) / entry;
  for (int64_t y = 0; y < height; ++y) {
    const size_t row = first + static_cast<size_t>(stride) * static_cast<size_t>(upward ? height - 1 - y : y);
    for (int64_t x = 0; x < width; ++x) {
      const auto at = static_cast<size_t>(x);
      if (depth <= 8) {
        const uint32_t byte = file[row + at * depth / 8], shift = 8 - depth - static_cast<uint32_t>(at * depth % 8);
        const size_t index = (byte >> shift) & ((1u << depth) - 1);
        if (index >= colours) return false;
        const size_t from = table + index * entry;
        out.set(x, y, file[from + 2], file[from + 1], file[from]);
      } else {
        const uint32_t value = little(file, row + at * depth / 8, depth / 8);
        out.set(x, y, masked(value, red), masked(value, green), masked(value, blue));
      }
    }
  }
  return true;
}

// ---- PBM, PGM, PPM, PAM

/// The words and numbers of a header; comments run from # to the end of the line.
class PnmText {
 public:
  PnmText(Bytes file, size_t at) : file_(file), at_(at) {}
  std::string_view word() {
    while (at_ < file_.size() && (std::isspace(file_[at_]) != 0 || file_[at_] == '#')) {
      if (file_[at_] == '#') {
        while (at_ < file_.size() && file_[at_] != '\n') ++at_;
      } else {
        ++at_;
      }
    }
    const size_t start = at_;
    while (at_ < file_.size() && std::isspace(file_[at_]) == 0) ++at_;
    return {reinterpret_cast<const char*>(file_.data()) + start, at_ - start};
  }
  /// -1: no number.
  int64_t number() {
    int64_t out = 0;
    const std::string_view digits = word();
    for (char c : digits) {
      if (c < '0' || c > '9' || out > kMaxPixels) return -1;
      out = out * 10 + (c - '0');
    }
    return digits.empty() ? -1 : out;
  }
  /// One digit of a plain bit map, where nothing needs to part them.
  int64_t digit() {
    while (at_ < file_.size() && std::isspace(file_[at_]) != 0) ++at_;
    return at_ < file_.size() && (file_[at_] == '0' || file_[at_] == '1') ? file_[at_++] - '0' : -1;
  }
  /// The bytes behind the one white space that ends the header.
  Bytes rest() const { return file_.subspan(std::min(at_ + 1, file_.size())); }

 private:
  Bytes file_;
  size_t at_;
};

bool decode_pnm(Bytes file, Picture& out) {
  const char kind = static_cast<char>(file[1]);
  PnmText text(file, 2);
  int64_t width = -1, height = -1, most = 1, depth = kind == '3' || kind == '6' ? 3 : 1;
  if (kind == '7') {
    for (std::string_view word = text.word(); !word.empty() && word != "ENDHDR"; word = text.word()) {
      if (word == "WIDTH") width = text.number();
      if (word == "HEIGHT") height = text.number();
      if (word == "DEPTH") depth = text.number();
      if (word == "MAXVAL") most = text.number();
      if (word == "TUPLTYPE") text.word();
    }
  } else {
    width = text.number();
    height = text.number();
    if (kind != '1' && kind != '4') most = text.number();
  }
  if (most < 1 || most > 65535 || depth < 1 || depth > 4 || !out.make(width, height)) return false;
  const bool plain = kind <= '3', bits = kind == '4';
  const Bytes data = text.rest();
  const size_t sample = most > 255 ? 2 : 1, row = static_cast<size_t>((width + 7) / 8);
  const size_t needed = bits ? row * static_cast<size_t>(height) : static_cast<size_t>(width * height * depth) * sample;
  if (!plain && data.size() < needed) return false;
  for (int64_t i = 0; i < width * height; ++i) {
    int64_t value[4] = {};
    for (int64_t c = 0; c < depth; ++c) {
      if (plain) {
        value[c] = kind == '1' ? text.digit() : text.number();
      } else if (bits) {
        value[c] = (data[static_cast<size_t>(i / width) * row + static_cast<size_t>(i % width / 8)] >> (7 - i % width % 8)) & 1;
      } else {
        const size_t at = static_cast<size_t>(i * depth + c) * sample;
        value[c] = sample == 1 ? data[at] : data[at] << 8 | data[at + 1];
      }
      if (value[c] < 0 || value[c] > most) return false;
      if (kind == '1' || bits) value[c] = 1 - value[c];  // 1 is black
      value[c] = value[c] * 255 / most;
    }
    const bool grey = depth < 3;
    out.set(i % width, i / width, static_cast<uint32_t>(value[0]), static_cast<uint32_t>(value[grey ? 0 : 1]),
            static_cast<uint32_t>(value[grey ? 0 : 2]));
  }
  return true;
}

Picture decode(Bytes file) {
  Picture out;
  bool good = false;
  if (begins(file, "\xff\xd8")) {
    good = decode_jpeg(file, out);
  } else if (begins(file, "\x89PNG")) {
    good = decode_png(file, out);
  } else if (begins(file, "RIFF") && begins(file, "WEBP", 8)) {
    good = decode_webp(file, out);
  } else if (begins(file, "BM")) {
    good = decode_bmp(file, out);
  } else if (begins(file, std::string_view("II*\0", 4)) || begins(file, std::string_view("MM\0*", 4))) {
    good = decode_tiff(file, out);
  } else if (begins(file, std::string_view("\0\0\0\x0cjP  ", 8)) || begins(file, "\xff\x4f\xff\x51")) {
    good = decode_jpeg2000(file, out);
  } else if (file.size() > 2 && file[0] == 'P' && file[1] >= '1' && file[1] <= '7') {
    good = decode_pnm(file, out);
  }
  return good ? out : Picture();
}

Status infer(InferContext& c) {
  const std::string& format = c.attrs<ImageDecoderAttrs>().pixel_format;
  if (format != "RGB" && format != "BGR" && format != "Grayscale")
    return fail(ErrorCode::invalid_model, "pixel_format '{}' is not one of RGB, BGR, Grayscale", format);
  if (c.shape(0) != nullptr && c.shape(0)->size() != 1)
    return Error(ErrorCode::invalid_model, "the encoded stream must have one axis");
  c.set(0, E::u8, Shape{Dim::unknown(), Dim::unknown(), Dim(format == "Grayscale" ? 1 : 3)});
  return {};
}

Status run(RefContext& c) {
  TRY(actual_facts(c));
  const std::string& format = c.attrs<ImageDecoderAttrs>().pixel_format;
  const Tensor& x = c.in(0);
  const Picture picture = decode({x.as<uint8_t>(), static_cast<size_t>(x.count())});
  const bool grey = format == "Grayscale";
  Tensor y = c.out(0, E::u8, {picture.height, picture.width, grey ? 1 : 3});
  auto* out = y.as<uint8_t>();
  for (size_t i = 0; i < picture.rgb.size(); i += 3) {
    const uint8_t* rgb = picture.rgb.data() + i;
    if (grey) {  // ITU-R 601-2 luma, rounded
      *out++ = static_cast<uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
    } else {
      const bool reversed = format == "BGR";
      for (size_t k = 0; k < 3; ++k) *out++ = rgb[reversed ? 2 - k : k];
    }
  }
  return {};
}

Tensor file_of(std::string_view text) {
  Tensor t(E::u8, {static_cast<int64_t>(text.size())});
  std::memcpy(t.data(), text.data(), text.size());
  return t;
}

std::vector<Sample> samples() {
  const auto with = [](std::string label, std::string format, std::string_view file) {
    return Sample{std::move(label), ImageDecoderAttrs{std::move(format)}, {{file_of(file)}}};
  };
  return {with("pixels", "RGB", std::string_view("P6 2 1 255\n\x01\x02\x03\x04\x05\x06", 17)),
          with("reversed", "BGR", "P3 # two\n1 2 15 1 2 3 15 0 7"), with("grey", "Grayscale", "P1 3 1 101"),
          with("broken", "RGB", "P6 9 9 255\nxx"), with("unknown", "RGB", "GIF89a")};
}

}  // namespace

OpFamily image_decoder() {
  return {Op("ImageDecoder", {20})
              .attrs<ImageDecoderAttrs>()
              .in("encoded_stream", types(E::u8))
              .out("image", types(E::u8))
              .flag(ir::OpInfo::kDataDependent)
              .infer(infer)
              .reference(run)
              .samples(samples)
              .doc("A picture from the bytes of its file: BMP, JPEG, JPEG 2000, PNG, PNM, TIFF, WebP.")};
}

}  // namespace slipway::ops
