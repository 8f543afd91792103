#include "data/slide_list.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "data/slide_reader.h"
#include "data/slide_scale.h"

#include <glob.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr size_t kNamesShown = 5;

SlideEntry entry_of(const std::string& path) {
  SlideEntry e;
  e.id = fs::path(path).stem().string();
  e.path = path;
  return e;
}

std::vector<std::string> expand_glob(const std::string& pattern) {
  glob_t found{};
  const int rc = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  EOSIN_CHECK(rc == 0 && !paths.empty(), Config, "[slides] nothing matches '{}'", pattern);
  return paths;
}

/// One line about what of a folder is not read, with the reason where the name tells it.
std::string left_out(const std::string& folder, std::vector<std::string> paths) {
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> first;
  int64_t folders = 0;
  bool dicom = false, ome = false;
  for (const auto& p : paths) {
    const bool is_folder = fs::is_directory(p);
    const std::string name = fs::path(p).filename().string();
    folders += is_folder;
    dicom = dicom || name.ends_with(".dcm");
    ome = ome || name.ends_with(".ome.tif") || name.ends_with(".ome.tiff");
    if (first.size() < kNamesShown) first.push_back(is_folder ? name + "/" : name);
  }
  return fmt::format("[slides] '{}': left out {} sub-folders (name them to read them) and {} files that no reader accepts: {}{}{}{}", folder, folders,
                     std::ssize(paths) - folders, fmt::join(first, ", "), paths.size() > first.size() ? ", ..." : "",
                     dicom ? "; DICOM needs OpenSlide 4" : "", ome ? "; OpenSlide reads an OME-TIFF only where it is a plain tiled TIFF" : "");
}

bool is_accepted(const std::string& path) {
  const auto& table = slide_readers();
  return std::any_of(table.begin(), table.end(), [&](const SlideReaderRow& r) { return r.accepts(path); });
}

/// Endings that only slides have. A file of that name that no reader accepts is a damaged slide, and is recorded as one.
bool is_named_as_slide(const std::string& path) {
  static constexpr std::string_view kEndings[] = {".svs", ".ndpi", ".scn", ".mrxs", ".bif", ".svslide", ".vms", ".vmu"};
  std::string ending = fs::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings);
}

std::vector<std::string> slides_in(const std::string& folder) {
  std::vector<std::string> paths, others;
  for (const auto& e : fs::directory_iterator(folder)) {
    const std::string path = e.path().string();
    (e.is_regular_file() && (is_named_as_slide(path) || is_accepted(path)) ? paths : others).push_back(path);
  }
  // a MIRAX slide keeps its pixels in a folder of its own name
  std::erase_if(others, [&](const std::string& p) { return std::find(paths.begin(), paths.end(), p + ".mrxs") != paths.end(); });
  if (!others.empty()) log::warn("{}", left_out(folder, std::move(others)));
  EOSIN_CHECK(!paths.empty(), Config, "[slides] the folder '{}' holds no slide that a reader accepts", folder);
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  if (!in) fail_errno(fmt::format("[slides] cannot open '{}'", path), errno);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (lines.empty() && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // a byte order mark
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

/// A table's path as it stands, or beside the table.
std::string resolve(const std::string& path, const std::string& table) {
  const fs::path beside = fs::path(table).parent_path() / path;
  return fs::path(path).is_relative() && !fs::exists(path) && fs::exists(beside) ? beside.string() : path;
}

std::vector<SlideEntry> cohort(const std::string& path) {
  const CsvTable table = CsvTable::read(path);
  const auto where = table.choose("", {"path", "file", "filename", "wsi"}), slide = table.choose("", {"slide", "slide_id", "id"});
  const auto patient = table.choose("", {"patient", "patient_id", "case", "case_id"}), site = table.choose("", {"centre", "center", "site"});
  const auto stain = table.find("stain"), mpp = table.find("mpp");
  EOSIN_CHECK(where, Data, "[slides] {}: no column of paths (has {}; need path, file, filename or wsi)", table.where(0),
              fmt::join(table.header(), ", "));
  std::vector<SlideEntry> entries;
  for (size_t r = 0; r < table.size(); ++r) {
    const auto& row = table.row(r);
    const auto text = [&](std::optional<size_t> column) { return column ? row[*column] : std::string(); };
    EOSIN_CHECK(!row[*where].empty(), Data, "[slides] {}: slide '{}' has no path", table.where(r), text(slide));
    EOSIN_CHECK(!slide || !row[*slide].empty(), Data, "[slides] {}: the slide has no id", table.where(r));
    SlideEntry e = entry_of(resolve(row[*where], path));
    if (slide) e.id = row[*slide];
    e.patient = text(patient), e.site = text(site), e.stain = text(stain), e.mpp = plausible_mpp(text(mpp));
    EOSIN_CHECK(text(mpp).empty() || e.mpp, Data, "[slides] {}: mpp of slide '{}' is no scale (got '{}', need micrometres a pixel in 0.02 to 50)",
                table.where(r), e.id, text(mpp));
    entries.push_back(std::move(e));
  }
  return entries;
}

/// An id names files beside the store, and stands in JSON.
void check_id(const SlideEntry& e) {
  const bool is_name = !e.id.empty() && e.id != "." && e.id != ".." && e.id.find('/') == std::string::npos;
  EOSIN_CHECK(is_name, Data, "[slides] the id '{}' of '{}' cannot name a file; give the slide another in the column slide of a cohort CSV", e.id,
              e.path);
  const bool is_text = find_non_text(e.id) == std::string::npos && find_non_text(e.path) == std::string::npos;
  EOSIN_CHECK(is_text, Data, "[slides] the name of '{}' is not UTF-8 text; rename it, or link to it by another name", e.path);
}

void expand(const std::string& word, std::vector<SlideEntry>& out) {
  const auto add = [&](const std::vector<std::string>& paths) {
    for (const auto& p : paths) out.push_back(entry_of(p));
  };
  if (CsvTable::is_named(word)) {
    const auto rows = cohort(word);
    out.insert(out.end(), rows.begin(), rows.end());
  } else if (fs::path(word).extension() == ".txt") {
    add(lines_of(word));
  } else if (fs::is_directory(word)) {
    add(slides_in(word));
  } else if (!fs::exists(word) && word.find_first_of("*?[") != std::string::npos) {
    add(expand_glob(word));
  } else {
    add({word});
  }
}

}  // namespace

std::vector<SlideEntry> list_slides(const std::vector<std::string>& words) {
  std::vector<SlideEntry> entries;
  for (const auto& word : words) expand(word, entries);
  EOSIN_CHECK(!entries.empty(), Config, "[slides] no slides were named; give slides=PATH, a glob, a folder, or a cohort CSV");
  std::map<std::string, std::string> seen;
  for (const auto& e : entries) {
    check_id(e);
    const auto [it, is_new] = seen.emplace(e.id, e.path);
    EOSIN_CHECK(is_new, Data, "[slides] two slides have the id '{}': '{}' and '{}'; give each an id of its own in the column slide of a cohort CSV",
                e.id, it->second, e.path);
  }
  return entries;
}

}  // namespace eosin::data
