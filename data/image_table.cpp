#include "data/image_table.h"

#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <utility>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr size_t kLongestSlide = 128, kLongestPatient = 64;  // of a shard's slide table
constexpr double kLargestMpp = 50;

template <class T>
T number(const std::string& text, const std::string& where, const std::string& column) {
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  EOSIN_CHECK(code == std::errc() && end == text.data() + text.size(), Data, "[{}] {}: '{}' is not a number of that kind", where, column, text);
  return value;
}

bool is_mpp(double mpp) { return mpp >= 0 && mpp <= kLargestMpp; }  // no nan

/// The table's columns by meaning.
struct Columns {
  std::optional<size_t> file, id, label, group, patient, slide, split, x, y, level0_size, mpp, tissue, qc;

  Columns(const CsvTable& table, const ImportColumns& names)
      : file(table.choose(names.file, {"file", "path", "image", "filename", "id"})),
        id(table.find("id")),
        label(table.choose(names.label, {"label", "class"})),
        group(table.choose(names.group, {"group"})),
        patient(table.choose(names.patient, {"patient", "patient_id", "case", "case_id"})),
        slide(table.choose(names.slide, {"slide", "slide_id"})),
        split(table.choose(names.split, {"split"})),
        x(table.choose(names.x, {"x"})),
        y(table.choose(names.y, {"y"})),
        level0_size(table.find("level0_size")),
        mpp(table.choose(names.mpp, {"mpp"})),
        tissue(table.find("tissue")),
        qc(table.find("qc")) {
    EOSIN_CHECK(file, Data, "[{}] has no column with the pictures' paths (columns: {}); name it with columns.file", table.where(0),
                fmt::join(table.header(), ", "));
    EOSIN_CHECK(x.has_value() == y.has_value(), Data, "[{}] has only one of the columns x and y; name both with columns.x and columns.y",
                table.where(0));
  }
  /// Whether export_tiles() wrote the table; elsewhere "tissue" is often the organ, and "id" the patient's.
  bool is_export() const { return x && level0_size && tissue && qc; }
};

ImageEntry entry_of(const CsvTable& table, size_t i, const Columns& c, const fs::path& images, double mpp) {
  const auto& row = table.row(i);
  const auto text = [&](const std::optional<size_t>& column) { return column ? row[*column] : std::string(); };
  ImageEntry e;
  e.where = table.where(i);
  const std::string path = text(c.file);
  EOSIN_CHECK(!path.empty(), Data, "[{}] the picture's path is empty", e.where);
  e.file = (images / path).string();
  e.id = c.is_export() && c.id ? row[*c.id] : path;
  e.label = text(c.label), e.group = text(c.group), e.patient = text(c.patient), e.split = text(c.split), e.slide = text(c.slide);
  for (const std::string& next : {e.group, e.patient, fs::path(path).parent_path().string(), std::string("images")})
    if (e.slide.empty()) e.slide = next;
  if (c.x) e.x = number<int32_t>(row[*c.x], e.where, table.header()[*c.x]), e.y = number<int32_t>(row[*c.y], e.where, table.header()[*c.y]);
  if (c.x && c.level0_size) {
    e.level0_size = number<int32_t>(row[*c.level0_size], e.where, table.header()[*c.level0_size]);
    EOSIN_CHECK(*e.level0_size > 0, Data, "[{}] level0_size is no edge in level-0 pixels (got {}, need 1 or more)", e.where, *e.level0_size);
  }
  if (c.is_export()) set_quality(e, number<double>(row[*c.tissue], e.where, "tissue"), number<int64_t>(row[*c.qc], e.where, "qc"), e.where);
  e.mpp = c.mpp && !row[*c.mpp].empty() ? number<double>(row[*c.mpp], e.where, table.header()[*c.mpp]) : mpp;
  EOSIN_CHECK(is_mpp(e.mpp), Data, "[{}] mpp is no scale (got {}, need micrometres a pixel up to {}, or 0: unknown)", e.where, e.mpp, kLargestMpp);
  return e;
}

Picture read_picture_file(const ImageEntry& entry) { return read_file(entry.file); }

std::string extension_of(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

bool is_picture(const std::string& extension) {
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".tif" || extension == ".tiff";
}

/// Somebody who names a folder with a table in it may have meant the table.
void point_to_tables(const std::string& folder) {
  std::vector<std::string> tables;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && CsvTable::is_named(entry.path().string())) tables.push_back(entry.path().string());
  std::sort(tables.begin(), tables.end());
  for (const auto& table : tables)
    log::warn("[store import] '{}' is not used when its folder is imported (classes are the folders' names); to use it: eosin store import {}", table,
              table);
}

/// Names go into columns and JSON, where other bytes would make two names one.
void check_text(const ImageEntry& e) {
  for (const std::string* text : {&e.id, &e.slide})
    EOSIN_CHECK(find_non_text(*text) == std::string::npos, Data, "[{}] the name '{}' is not UTF-8 text; rename the picture or its folder", e.where,
                *text);
}

void check_entries(const std::vector<ImageEntry>& entries) {
  std::map<std::string, const ImageEntry*> ids, patient_of;
  std::map<std::tuple<std::string, int64_t, int64_t, double>, const ImageEntry*> places;
  for (const ImageEntry& e : entries) {
    const auto [same, is_new] = ids.emplace(e.id, &e);
    EOSIN_CHECK(is_new, Data, "[{}] the picture '{}' is there twice (first at {})", e.where, e.id, same->second->where);
    const auto [slide, is_first] = patient_of.emplace(e.slide, &e);
    EOSIN_CHECK(is_first || slide->second->patient == e.patient, Data, "[{}] slide '{}' belongs to patient '{}', but at {} to '{}'", e.where, e.slide,
                e.patient, slide->second->where, slide->second->patient);
    if (!e.x) continue;
    const auto [place, is_free] = places.emplace(std::tuple(e.slide, *e.x, *e.y, e.mpp), &e);
    EOSIN_CHECK(is_free, Data, "[{}] slide '{}' has two tiles at x {}, y {} (the first is {})", e.where, e.slide, *e.x, *e.y, place->second->where);
  }
}

/// Slides in order of first appearance; the pictures of a slide keep their order.
void sort_by_slide(std::vector<ImageEntry>& entries) {
  std::map<std::string, size_t> rank;
  for (const ImageEntry& e : entries) rank.emplace(e.slide, rank.size());
  std::stable_sort(entries.begin(), entries.end(), [&](const ImageEntry& a, const ImageEntry& b) { return rank.at(a.slide) < rank.at(b.slide); });
}

/// Those columns that at least one entry fills.
std::vector<std::string> known_columns(const std::vector<ImageEntry>& entries) {
  std::vector<std::string> columns = {"id"};
  for (const char* column : {"class", "group", "patient", "split", "caption"})
    if (std::any_of(entries.begin(), entries.end(), [&](const ImageEntry& e) { return !column_value(e, column).empty(); })) columns.push_back(column);
  return columns;
}

}  // namespace

ImageTable read_image_csv(const std::string& path, const ImportConfig& config) {
  const CsvTable csv = CsvTable::read(path);
  EOSIN_CHECK(csv.size() > 0, Data, "[{}] has no rows", path);
  const Columns columns(csv, config.columns);
  const fs::path images = config.images.empty() ? fs::path(path).parent_path() : fs::path(config.images);
  ImageTable table;
  table.read = read_picture_file;
  for (size_t i = 0; i < csv.size(); ++i) table.entries.push_back(entry_of(csv, i, columns, images, config.mpp));
  return table;
}

ImageTable read_image_folder(const std::string& path, const ImportConfig& config) {
  std::vector<std::string> files;
  std::map<std::string, int64_t> others;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    const std::string extension = extension_of(entry.path());
    if (is_picture(extension))
      files.push_back(entry.path().lexically_relative(path).string());
    else
      ++others[extension.empty() ? "without an extension" : extension];
  }
  EOSIN_CHECK(!files.empty(), Data, "[{}] holds no JPEG, PNG or TIFF files", path);
  for (const auto& [extension, count] : others)
    log::warn("[{}] {} {} left out: {} (JPEG, PNG and TIFF are read)", path, count, count == 1 ? "file is" : "files are", extension);
  point_to_tables(path);
  std::sort(files.begin(), files.end());
  ImageTable table;
  table.read = read_picture_file;
  for (const auto& file : files) {
    ImageEntry e;
    e.id = file;
    e.where = e.file = (fs::path(path) / file).string();
    e.label = fs::path(file).parent_path().string();
    e.slide = e.label.empty() ? "images" : e.label;
    e.mpp = config.mpp;
    table.entries.push_back(std::move(e));
  }
  return table;
}

void complete_table(ImageTable& table) {
  for (const ImageEntry& e : table.entries) {
    check_text(e);
    EOSIN_CHECK(e.slide.size() <= kLongestSlide && e.patient.size() <= kLongestPatient, Data,
                "[{}] the slide '{}' or patient '{}' has too long a name (need at most {} and {} bytes)", e.where, e.slide, e.patient, kLongestSlide,
                kLongestPatient);
  }
  check_entries(table.entries);
  sort_by_slide(table.entries);
  table.columns = known_columns(table.entries);
}

void set_quality(ImageEntry& entry, double tissue, int64_t qc, const std::string& where) {
  EOSIN_CHECK(tissue >= 0 && tissue <= 1, Data, "[{}] tissue is no share of the tile (got {}, need 0 to 1)", where, tissue);
  EOSIN_CHECK(std::in_range<uint16_t>(qc), Data, "[{}] qc is no set of 16 bits (got {})", where, qc);
  entry.tissue = tissue;
  entry.qc = qc;
}

const std::string& column_value(const ImageEntry& entry, const std::string& column) {
  return column == "id"        ? entry.id
         : column == "class"   ? entry.label
         : column == "group"   ? entry.group
         : column == "patient" ? entry.patient
         : column == "split"   ? entry.split
                               : entry.caption;
}

}  // namespace eosin::data
