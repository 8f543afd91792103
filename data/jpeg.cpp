#include "data/jpeg.h"

#include "core/base/error.h"

// jpeglib.h needs size_t and FILE before it.
#include <jpeglib.h>
#include <cstdio>

#include <jerror.h>

#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <cstring>

namespace eosin::data {
namespace {

/// libjpeg's error manager; its C frames are left by longjmp, never by an exception.
struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr codec) {
  auto* manager = reinterpret_cast<ErrorManager*>(codec->err);
  codec->err->format_message(codec, manager->message);
  std::longjmp(manager->jump, 1);
}

void leave_on_warning(j_common_ptr codec, int level) {
  if (level < 0) leave(codec);
}

void install(ErrorManager& manager, j_common_ptr codec) {
  codec->err = jpeg_std_error(&manager.base);
  manager.base.error_exit = leave;
  manager.base.emit_message = leave_on_warning;
  manager.message[0] = 0;
}

struct ScanLimit {
  jpeg_progress_mgr base;
  int max_scans;
};

void check_scans(j_common_ptr codec) {
  auto* decoder = reinterpret_cast<j_decompress_ptr>(codec);
  auto* limit = reinterpret_cast<ScanLimit*>(codec->progress);
  if (decoder->input_scan_number <= limit->max_scans) return;
  auto* manager = reinterpret_cast<ErrorManager*>(codec->err);
  std::snprintf(manager->message, sizeof manager->message, "more than %d scans", limit->max_scans);
  std::longjmp(manager->jump, 1);
}

/// One decoder a picture: making it costs about a microsecond, and no table of an earlier picture can be left in it.
class Decoder {
 public:
  explicit Decoder(int max_scans) {
    install(errors_, reinterpret_cast<j_common_ptr>(&codec_));
    jpeg_create_decompress(&codec_);
    scans_ = {{}, max_scans};
    scans_.base.progress_monitor = check_scans;
    codec_.progress = &scans_.base;
  }
  ~Decoder() { jpeg_destroy_decompress(&codec_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  const jpeg_decompress_struct& header() const { return codec_; }
  const char* message() const { return errors_.message; }

  /// False: message() says why. No object with a destructor may live in these two functions.
  bool read_header(std::span<const uint8_t> bytes) {
    if (setjmp(errors_.jump)) return false;
    jpeg_mem_src(&codec_, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&codec_, TRUE);
    return true;
  }
  bool read_pixels(uint8_t* rgb) {
    if (setjmp(errors_.jump)) return false;
    codec_.out_color_space = JCS_RGB;
    jpeg_start_decompress(&codec_);
    const size_t stride = size_t{codec_.output_width} * 3;
    JSAMPROW rows[16];
    while (codec_.output_scanline < codec_.output_height) {
      const JDIMENSION n = std::min<JDIMENSION>(16, codec_.output_height - codec_.output_scanline);
      for (JDIMENSION i = 0; i < n; ++i) rows[i] = rgb + (codec_.output_scanline + i) * stride;
      jpeg_read_scanlines(&codec_, rows, n);
    }
    jpeg_finish_decompress(&codec_);
    return true;
  }

 private:
  jpeg_decompress_struct codec_{};
  ErrorManager errors_{};
  ScanLimit scans_{};
};

bool starts_as_jpeg(std::span<const uint8_t> bytes) { return bytes.size() >= 2 && bytes[0] == 0xFF && bytes[1] == 0xD8; }

/// libjpeg-turbo would put standard tables in place of missing ones; a whole stream has its own.
bool has_huffman_tables(const jpeg_decompress_struct& d) {
  if (d.arith_code) return true;
  for (int i = 0; i < d.comps_in_scan; ++i) {
    const jpeg_component_info& c = *d.cur_comp_info[i];
    if (!d.dc_huff_tbl_ptrs[c.dc_tbl_no & 3]) return false;
    if (!d.progressive_mode && !d.ac_huff_tbl_ptrs[c.ac_tbl_no & 3]) return false;
  }
  return true;
}

/// Every block takes at least two bits (one in a progressive stream), so that a short stream cannot claim a huge picture.
bool can_hold_its_picture(const jpeg_decompress_struct& d, size_t stream_bytes) {
  uint64_t blocks = 0;
  for (int i = 0; i < d.num_components; ++i) blocks += uint64_t{d.comp_info[i].width_in_blocks} * d.comp_info[i].height_in_blocks;
  return d.arith_code || blocks * (d.progressive_mode ? 1 : 2) <= uint64_t{stream_bytes} * 8;
}

void check_header(Decoder& decoder, std::span<const uint8_t> bytes, int64_t max_pixels) {
  EOSIN_CHECK(starts_as_jpeg(bytes), Data, "[jpeg] not a JPEG stream (got {} bytes without FF D8 at the start)", bytes.size());
  EOSIN_CHECK(decoder.read_header(bytes), Data, "[jpeg] {}", decoder.message());
  const auto& d = decoder.header();
  const int64_t pixels = int64_t{d.image_height} * d.image_width;
  EOSIN_CHECK(d.data_precision == 8, Data, "[jpeg] {} bits a sample are not supported (need 8)", d.data_precision);
  EOSIN_CHECK(d.jpeg_color_space == JCS_GRAYSCALE || d.jpeg_color_space == JCS_YCbCr || d.jpeg_color_space == JCS_RGB, Data,
              "[jpeg] the colour space is not supported (got {} components{}, need grey, YCbCr or RGB)", d.num_components,
              d.jpeg_color_space == JCS_CMYK   ? ", CMYK"
              : d.jpeg_color_space == JCS_YCCK ? ", YCCK"
                                               : "");
  EOSIN_CHECK(pixels > 0 && pixels <= max_pixels, Data, "[jpeg] {} x {} pixels are not allowed (need 1 to {} pixels)", d.image_width, d.image_height,
              max_pixels);
  EOSIN_CHECK(can_hold_its_picture(d, bytes.size()), Data, "[jpeg] truncated: {} bytes cannot hold {} x {} pixels", bytes.size(), d.image_width,
              d.image_height);
  EOSIN_CHECK(has_huffman_tables(d), Data, "[jpeg] the stream has no Huffman tables of its own; merge the tables of its container first");
}

std::string subsampling_of(const jpeg_decompress_struct& d) {
  if (d.num_components == 1) return "gray";
  const auto& c = d.comp_info;
  const bool plain_chroma = c[1].h_samp_factor == 1 && c[1].v_samp_factor == 1 && c[2].h_samp_factor == 1 && c[2].v_samp_factor == 1;
  if (!plain_chroma) return "mixed";
  const int factors = c[0].h_samp_factor * 10 + c[0].v_samp_factor;
  return factors == 11 ? "444" : factors == 21 ? "422" : factors == 22 ? "420" : "mixed";
}

/// Encodes into a thread's own growing buffer, so that a tile costs no allocation.
class Encoder {
 public:
  Encoder() {
    install(errors_, reinterpret_cast<j_common_ptr>(&codec_));
    jpeg_create_compress(&codec_);
    sink_.init_destination = [](j_compress_ptr) {};
    sink_.term_destination = [](j_compress_ptr) {};
    sink_.empty_output_buffer = grow;
  }
  ~Encoder() { jpeg_destroy_compress(&codec_); }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  const char* message() const { return errors_.message; }

  std::span<const uint8_t> stream() const { return {buffer_.data(), buffer_.size() - sink_.free_in_buffer}; }

  /// Makes room for every picture of this size that compresses at all.
  void reserve(size_t pixels) { buffer_.resize(std::max(buffer_.size(), pixels + 4096)); }

  /// No object with a destructor may live here.
  bool encode(const ImageView& image, int quality, Subsampling subsampling) {
    if (setjmp(errors_.jump)) {
      jpeg_abort_compress(&codec_);
      return false;
    }
    sink_.next_output_byte = buffer_.data();
    sink_.free_in_buffer = buffer_.size();
    codec_.client_data = this;
    codec_.dest = &sink_;
    codec_.image_width = static_cast<JDIMENSION>(image.width);
    codec_.image_height = static_cast<JDIMENSION>(image.height);
    codec_.input_components = 3;
    codec_.in_color_space = JCS_RGB;
    jpeg_set_defaults(&codec_);
    jpeg_set_quality(&codec_, quality, TRUE);
    codec_.comp_info[0].h_samp_factor = subsampling == Subsampling::k444 ? 1 : 2;
    codec_.comp_info[0].v_samp_factor = subsampling == Subsampling::k420 ? 2 : 1;
    codec_.comp_info[1].h_samp_factor = codec_.comp_info[1].v_samp_factor = 1;
    codec_.comp_info[2].h_samp_factor = codec_.comp_info[2].v_samp_factor = 1;
    // Optimised tables save 3 % and cost a second pass, which only libjpeg-turbo 3 made fast.
    codec_.optimize_coding = LIBJPEG_TURBO_VERSION_NUMBER >= 3000000;
    jpeg_start_compress(&codec_, TRUE);
    while (codec_.next_scanline < codec_.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(image.row(codec_.next_scanline));
      jpeg_write_scanlines(&codec_, &row, 1);
    }
    jpeg_finish_compress(&codec_);
    return true;
  }

 private:
  static boolean grow(j_compress_ptr codec) {
    auto* self = static_cast<Encoder*>(codec->client_data);
    const size_t used = self->buffer_.size();
    self->buffer_.resize(2 * used);
    self->sink_.next_output_byte = self->buffer_.data() + used;
    self->sink_.free_in_buffer = used;
    return TRUE;
  }

  jpeg_compress_struct codec_{};
  ErrorManager errors_{};
  jpeg_destination_mgr sink_{};
  std::vector<uint8_t> buffer_;  // never made smaller: making it larger would clear it
};

}  // namespace

JpegInfo read_jpeg_info(std::span<const uint8_t> bytes) {
  const JpegLimits limits;
  Decoder decoder(limits.max_scans);
  check_header(decoder, bytes, limits.max_pixels);
  const auto& d = decoder.header();
  return {d.image_height, d.image_width, d.num_components, !d.progressive_mode && !d.arith_code, subsampling_of(d)};
}

void decode_jpeg(std::span<const uint8_t> bytes, Image& out, const JpegLimits& limits) {
  Decoder decoder(limits.max_scans);
  check_header(decoder, bytes, limits.max_pixels);
  out.height = decoder.header().image_height;
  out.width = decoder.header().image_width;
  out.rgb.resize(static_cast<size_t>(out.height * out.width * 3));
  EOSIN_CHECK(decoder.read_pixels(out.rgb.data()), Data, "[jpeg] {}", decoder.message());
}

void decode_jpeg(std::span<const uint8_t> bytes, int64_t height, int64_t width, uint8_t* rgb, const JpegLimits& limits) {
  Decoder decoder(limits.max_scans);
  check_header(decoder, bytes, limits.max_pixels);
  const auto& d = decoder.header();
  EOSIN_CHECK(d.image_height == height && d.image_width == width, Data, "[jpeg] the picture has {} x {} pixels (need {} x {})", d.image_width,
              d.image_height, width, height);
  EOSIN_CHECK(decoder.read_pixels(rgb), Data, "[jpeg] {}", decoder.message());
}

std::vector<uint8_t> merge_jpeg_tables(std::span<const uint8_t> tables, std::span<const uint8_t> stream, bool components_are_rgb) {
  static constexpr uint8_t kAdobeRgb[] = {0xFF, 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0};
  EOSIN_CHECK(starts_as_jpeg(tables), Data, "[jpeg] the tables are not a JPEG stream (got {} bytes)", tables.size());
  EOSIN_CHECK(starts_as_jpeg(stream), Data, "[jpeg] the abbreviated stream is not a JPEG stream (got {} bytes)", stream.size());
  const size_t n = tables.size();
  const bool has_end = n >= 4 && tables[n - 2] == 0xFF && tables[n - 1] == 0xD9;
  std::vector<uint8_t> out = {0xFF, 0xD8};
  out.reserve(2 + sizeof kAdobeRgb + n + stream.size());
  if (components_are_rgb) out.insert(out.end(), std::begin(kAdobeRgb), std::end(kAdobeRgb));
  out.insert(out.end(), tables.begin() + 2, tables.end() - (has_end ? 2 : 0));
  out.insert(out.end(), stream.begin() + 2, stream.end());
  return out;
}

Subsampling subsampling_from(const std::string& name) {
  if (name == "444") return Subsampling::k444;
  if (name == "422") return Subsampling::k422;
  EOSIN_CHECK(name == "420", Config, "[jpeg] unknown subsampling '{}' (need 444, 422 or 420)", name);
  return Subsampling::k420;
}

void encode_jpeg(const ImageView& image, int quality, Subsampling subsampling, std::vector<uint8_t>& out) {
  EOSIN_CHECK(quality >= 1 && quality <= 100, Config, "[jpeg] quality must be in 1..100 (got {})", quality);
  EOSIN_CHECK(image.height > 0 && image.width > 0 && std::max(image.height, image.width) <= JPEG_MAX_DIMENSION, Shape,
              "[jpeg] cannot encode {} x {} pixels (need 1 to {} a side)", image.width, image.height, JPEG_MAX_DIMENSION);
  thread_local Encoder encoder;
  encoder.reserve(static_cast<size_t>(image.height * image.width));
  if (!encoder.encode(image, quality, subsampling)) fail(ErrorKind::Internal, "[jpeg] encoding failed: {}", encoder.message());
  const auto stream = encoder.stream();
  out.assign(stream.begin(), stream.end());
}

}  // namespace eosin::data
