#include "data/image_import.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/sha256.h"
#include "core/base/stop.h"
#include "data/coords_import.h"
#include "data/image_table.h"
#include "data/import_formats.h"
#include "data/picture_record.h"
#include "data/tile_store_writer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

/// A picture file's name among others' where it is not its own.
std::string name_of(const ImageEntry& e) { return e.where.starts_with(e.file) ? e.where : e.where + ": " + e.file; }

void check_listed(const ImageEntry& e) { EOSIN_CHECK(e.fault.empty(), Data, "[{}] {}", e.where, e.fault); }

constexpr uintmax_t kLargestHashed = 64u << 20;

/// What decides the store's content: a begun import with another is refused. Large files are told apart by place and size.
std::string identity_of(const ImportConfig& config, const std::string& path) {
  ImportConfig copy = config;
  copy.out.clear();
  copy.run = {};
  copy.max_bad_fraction = copy.max_failed_fraction = 0;
  const bool small = !fs::is_directory(path) && fs::file_size(path) <= kLargestHashed;
  const std::string size = fs::is_directory(path) ? "" : std::to_string(fs::file_size(path));
  return sha256(config::to_yaml(config::visit_of(copy)) + (small ? sha256_file(path) : fs::absolute(path).string() + size));
}

StoreSettings settings_of(const ImportConfig& config, const std::string& path, const ImageTable& table, const Image& first) {
  const auto& entries = table.entries;
  const bool one_mpp = std::all_of(entries.begin(), entries.end(), [&](const ImageEntry& e) { return e.mpp == entries[0].mpp; });
  StoreSettings s;
  s.codec = config.encoding.codec == "raw" || (config.encoding.codec == "auto" && table.raw) ? Codec::kRaw : Codec::kJpeg;
  s.tile_height = static_cast<uint32_t>(config.tile_size_px > 0 ? config.tile_size_px : first.height);
  s.tile_width = static_cast<uint32_t>(config.tile_size_px > 0 ? config.tile_size_px : first.width);
  s.jpeg_subsampling = s.codec == Codec::kJpeg ? "mixed" : config.encoding.subsampling;  // copied streams have their own
  s.target_mpp = one_mpp ? entries[0].mpp : 0;
  s.max_shard_bytes = static_cast<uint64_t>(config.shard_mib) << 20;
  s.identity = identity_of(config, path);
  return s;
}

/// A place of its own for the k-th tile of a slide without coordinates: side by side in one row.
TileRow place(size_t k, const ImageEntry& e, const TileFormat& format) {
  TileRow tile;
  const int64_t along = e.x.value_or(static_cast<int64_t>(k) * format.tile_width);
  EOSIN_CHECK(std::in_range<int32_t>(along), Data, "[{}] too many tiles without coordinates in one slide", e.where);
  tile.x = static_cast<int32_t>(along);
  tile.y = static_cast<int32_t>(e.y.value_or(0));
  tile.level0_size = static_cast<uint32_t>(e.level0_size.value_or(format.tile_width));
  tile.tissue = static_cast<uint8_t>(std::lround(255 * e.tissue.value_or(1)));
  tile.qc = static_cast<uint16_t>(e.qc);
  return tile;
}

constexpr double kSameScale = 0.01;  // level0_size is rounded

/// Of level 0: a tile has its own number of pixels on level0_size of the slide's.
double slide_mpp(const ImageEntry& e, const TileFormat& format) {
  return e.level0_size ? e.mpp * format.tile_width / static_cast<double>(*e.level0_size) : e.mpp;
}

/// A slide has one scale, from which that of its tiles follows. `entries` are sorted by slide.
void check_scales(const std::vector<ImageEntry>& entries, const TileFormat& format) {
  const ImageEntry* first = nullptr;
  for (const ImageEntry& e : entries) {
    if (!e.fault.empty()) continue;
    if (first == nullptr || first->slide != e.slide) first = &e;
    const double one = slide_mpp(*first, format), here = slide_mpp(e, format);
    EOSIN_CHECK(one == here || (one > 0 && std::abs(here / one - 1) <= kSameScale), Data,
                "[{}] slide '{}' has mpp {:.5g}, but {:.5g} at {}, and their level0_size does not explain it; give pictures of each scale a slide of "
                "their own, or the right level0_size (with x and y)",
                e.where, e.slide, e.mpp, first->mpp, first->where);
  }
}

/// Names, sizes and times of the pictures' files.
std::string digest_of_files(const std::vector<ImageEntry>& entries) {
  std::string text;
  const std::string* last = nullptr;
  for (const ImageEntry& e : entries) {
    text += e.id + '\n';
    if (last && *last == e.file) continue;
    std::error_code no_size, no_time;
    text += fmt::format("{} {}\n", fs::file_size(e.file, no_size), fs::last_write_time(e.file, no_time).time_since_epoch().count());
    last = &e.file;
  }
  return sha256(text);
}

/// Pictures that are left out: counted, written down, and too many of them an error.
class BadPictures {
 public:
  BadPictures(const ImportConfig& config, size_t pictures, ImportResult& counts)
      : folder_(config.out), most_(config.max_bad_fraction * static_cast<double>(pictures)), pictures_(pictures), counts_(counts) {}

  void add(const ImageEntry& e, const std::string& reason) {
    log::warn("[store import] left out: {}", reason);
    ++counts_.bad;
    counts_.failures[e.id] = reason;
    if (!file_) file_.emplace((fs::path(folder_) / "failures.jsonl").string());
    file_->append(nlohmann::ordered_json{{"id", e.id}, {"stage", "import"}, {"message", reason}}.dump(
        -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    check(reason);
  }

  /// Those that an earlier run left out of a slide that it finished.
  void add_earlier(int64_t n) {
    counts_.bad += n;
    if (n > 0) check("see failures.jsonl");
  }

 private:
  void check(const std::string& reason) const {
    EOSIN_CHECK(static_cast<double>(counts_.bad) <= most_, Data,
                "[store import] {} of {} pictures are bad, more than max_bad_fraction allows; the last: {}", counts_.bad, pictures_, reason);
  }

  const std::string folder_;
  const double most_;
  const size_t pictures_;
  ImportResult& counts_;
  std::optional<AppendFile> file_;
};

/// The first picture that can be read decides the store's size.
Image first_picture(const ImageTable& table) {
  std::string reason;
  for (const ImageEntry& e : table.entries) {
    try {
      check_listed(e);
      return pixels_of(table.read(e), name_of(e));
    } catch (const Error& error) {
      if (reason.empty()) reason = error.what();
    }
  }
  fail(ErrorKind::Data, "[store import] none of {} pictures can be read; the first: {}", table.entries.size(), reason);
}

/// One import: slide by slide, each finished before the next.
class Import {
 public:
  Import(const std::string& path, const ImportConfig& config, const ImageTable& table, const std::function<void(int64_t, int64_t)>& progress)
      : table_(table),
        progress_(progress),
        settings_(checked_settings(config, path, table)),
        maker_(config, settings_, result_),
        writer_(config.out, settings_, slides_of(table)),
        bad_(config, table.entries.size(), result_) {
    check_files(config.out);
  }

  ImportResult run() {
    const auto& entries = table_.entries;
    for (auto at = entries.begin(); at != entries.end() && !result_.stopped;) {
      const auto end = std::find_if(at, entries.end(), [&](const ImageEntry& e) { return e.slide != at->slide; });
      const std::span<const ImageEntry> slide(at, end);
      writer_.is_complete(at->slide) ? pass_over(slide) : import(slide);
      at = end;
    }
    if (!result_.stopped) result_.shards = writer_.close();
    return std::move(result_);
  }

 private:
  static StoreSettings checked_settings(const ImportConfig& config, const std::string& path, const ImageTable& table) {
    StoreSettings settings = settings_of(config, path, table, first_picture(table));
    check_scales(table.entries, settings);
    return settings;
  }

  /// What is finished is of the files that are there now, or it is refused.
  void check_files(const std::string& out) const {
    const std::string file = (fs::path(out) / "pictures.sha256").string(), now = digest_of_files(table_.entries);
    const bool begun = fs::exists(fs::path(out) / "store.json") ||
                       std::any_of(table_.entries.begin(), table_.entries.end(), [&](const ImageEntry& e) { return writer_.is_complete(e.slide); });
    if (!begun) return write_file(file, now);
    EOSIN_CHECK(!fs::exists(file) || read_file(file) == now, Data,
                "[{}] holds tiles of other pictures: files were added, removed or changed since it was begun; import into a new folder", out);
  }

  static std::vector<std::string> slides_of(const ImageTable& table) {
    std::vector<std::string> slides;
    for (const auto& e : table.entries)
      if (slides.empty() || slides.back() != e.slide) slides.push_back(e.slide);
    return slides;
  }

  void pass_over(std::span<const ImageEntry> slide) {
    const auto have = static_cast<int64_t>(writer_.complete_slide(slide[0].slide).count);
    done_ += static_cast<int64_t>(slide.size());
    result_.tiles += have;
    ++result_.slides;
    bad_.add_earlier(static_cast<int64_t>(slide.size()) - have);
  }

  void import(std::span<const ImageEntry> slide) {
    SlidePart part = writer_.begin(slide[0].slide);
    part.restart();
    TextColumns texts;
    try {
      for (size_t k = 0; k < slide.size(); ++k) {
        if ((result_.stopped = stop::requested())) return part.abandon();
        if (const auto* record = record_of(slide[k])) {
          part.append(place(k, slide[k], settings_), *record);
          for (const auto& column : table_.columns) texts[column].push_back(column_value(slide[k], column));
        }
        if (progress_) progress_(++done_, static_cast<int64_t>(table_.entries.size()));
      }
    } catch (const Error&) {
      part.abandon();  // what mends the error may be other settings
      throw;
    }
    result_.tiles += static_cast<int64_t>(part.n_tiles());
    ++result_.slides;
    const auto good = std::find_if(slide.begin(), slide.end(), [](const ImageEntry& e) { return e.fault.empty(); });
    SlideRow row;
    row.id = slide[0].slide;
    row.patient = slide[0].patient;
    row.mpp_x = row.mpp_y = slide_mpp(good == slide.end() ? slide[0] : *good, settings_);
    writer_.finish(std::move(part), row, texts);
  }

  /// Nothing if the picture is bad.
  const std::vector<uint8_t>* record_of(const ImageEntry& e) {
    const std::string where = name_of(e);
    std::string reason;
    try {
      check_listed(e);
      return &maker_.record_of(table_.read(e), where);
    } catch (const Error& error) {
      reason = error.what();
    }
    bad_.add(e, reason);
    return nullptr;
  }

  const ImageTable& table_;
  const std::function<void(int64_t, int64_t)>& progress_;
  ImportResult result_;
  const StoreSettings settings_;
  RecordMaker maker_;
  TileStoreWriter writer_;
  BadPictures bad_;
  int64_t done_ = 0;
};

}  // namespace

void ImportConfig::validate(config::Problems& p) const {
  if (out.empty()) p.add("out", "need the folder of the new store");
}

ImportAmounts measure_import(const std::string& path, const ImportConfig& config) {
  EOSIN_CHECK(fs::exists(path), Io, "[{}] does not exist", path);
  const ImportFormat& format = import_format(path, config.format);
  if (!format.list) return measure_coords(path, config);
  ImageTable table = format.list(path, config);
  complete_table(table);
  ImportAmounts amounts{format.name, static_cast<int64_t>(table.entries.size()), 0, table.columns, {}};
  const std::string* slide = nullptr;
  for (const ImageEntry& e : table.entries) {
    amounts.slides += slide == nullptr || *slide != e.slide;
    slide = &e.slide;
    if (!e.fault.empty()) amounts.failures[e.id] = e.fault;
  }
  return amounts;
}

ImportResult import_images(const std::string& path, const ImportConfig& config, const std::function<void(int64_t, int64_t)>& progress) {
  EOSIN_CHECK(fs::exists(path), Io, "[{}] does not exist", path);
  const ImportFormat& format = import_format(path, config.format);
  if (!format.list) return import_coords(path, config, progress);
  ImageTable table = format.list(path, config);
  complete_table(table);
  return Import(path, config, table, progress).run();
}

}  // namespace eosin::data
