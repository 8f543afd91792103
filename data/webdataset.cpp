#include "data/webdataset.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "data/tar_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kLargestMember = uint64_t{1} << 20;  // of those that hold text
constexpr double kLargestMpp = 50;
constexpr size_t kLongestText = 4096;  // every row of a store's column has the longest one's room

/// "train/0017.seg.png" is key "train/0017" and extension "seg.png", as the package webdataset splits names.
std::pair<std::string, std::string> split_name(const std::string& name) {
  const size_t base = name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1;
  const size_t dot = name.find('.', base);
  if (dot == std::string::npos || dot == base) return {name, ""};
  std::string extension = name.substr(dot + 1);
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return {name.substr(0, dot), extension};
}

bool is_picture(const std::string& extension) { return extension == "jpg" || extension == "jpeg" || extension == "png"; }
bool is_text(const std::string& extension) { return extension == "cls" || extension == "txt" || extension == "json"; }

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// A value as the text of a column.
std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_primitive() && !value.is_null() ? value.dump() : "";
}

std::string first_text(const Json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (object.contains(key) && !text_of(object[key]).empty()) return text_of(object[key]);
  return {};
}

std::optional<int64_t> integer_of(const Json& object, const char* key) {
  if (!object.contains(key) || object[key].is_null()) return std::nullopt;
  const Json& value = object[key];
  const double number = value.is_number_integer() ? value.get<double>() : NAN;
  EOSIN_CHECK(std::abs(number) < 2147483648.0, Data, "json: {} is no whole number of level-0 pixels (got {})", key, value.dump());
  return value.get<int64_t>();
}

void take_json(const std::string& text, ImageEntry& e) {
  const Json object = Json::parse(text, nullptr, false);
  EOSIN_CHECK(object.is_object(), Data, "json: is no object");
  e.slide = first_text(object, {"slide", "slide_id"});
  e.patient = first_text(object, {"patient", "patient_id", "case", "case_id"});
  e.group = first_text(object, {"group"});
  e.split = first_text(object, {"split"});
  if (e.label.empty()) e.label = first_text(object, {"class", "label"});
  if (e.caption.empty()) e.caption = first_text(object, {"caption", "text"});
  e.x = integer_of(object, "x"), e.y = integer_of(object, "y");
  EOSIN_CHECK(e.x.has_value() == e.y.has_value(), Data, "json: has only one of x and y");
  e.level0_size = integer_of(object, "level0_size");
  EOSIN_CHECK(!e.level0_size || *e.level0_size > 0, Data, "json: level0_size is no edge in level-0 pixels (got {}, need 1 or more)", *e.level0_size);
  if (e.level0_size && object.contains("tissue") && object["tissue"].is_number() && object.contains("qc") && object["qc"].is_number_integer())
    set_quality(e, object["tissue"].get<double>(), object["qc"].get<int64_t>(), "json");
  if (!object.contains("mpp") || !object["mpp"].is_number()) return;
  e.mpp = object["mpp"].get<double>();
  EOSIN_CHECK(e.mpp >= 0 && e.mpp <= kLargestMpp, Data, "json: mpp is no scale (got {}, need micrometres a pixel up to {}, or 0: unknown)", e.mpp,
              kLargestMpp);
}

void check_texts(const ImageEntry& e) {
  for (const std::string* text : {&e.slide, &e.patient, &e.label, &e.group, &e.split, &e.caption}) {
    EOSIN_CHECK(text->size() <= kLongestText, Data, "has a text of {} bytes (need at most {})", text->size(), kLongestText);
    EOSIN_CHECK(find_non_text(*text) == std::string::npos, Data, "has a text that is not UTF-8");
  }
}

void forget_texts(ImageEntry& e) {
  for (std::string* text : {&e.slide, &e.patient, &e.label, &e.group, &e.split, &e.caption}) text->clear();
  e.x = e.y = e.level0_size = std::nullopt;
  e.tissue = std::nullopt;
  e.qc = 0;
}

/// Collects consecutive members of one key.
class SampleReader {
 public:
  SampleReader(const std::string& tar, double mpp, std::vector<ImageEntry>& out) : tar_(tar), mpp_(mpp), out_(out), first_(out.size()) {}

  void add(const TarMember& member, const std::function<std::string()>& read) {
    const auto [key, extension] = split_name(member.name);
    if (key != key_) flush();
    key_ = key;
    if (!is_picture(extension) && !is_text(extension)) return;
    const std::string kind = is_picture(extension) ? "picture" : extension;
    EOSIN_CHECK(!has_picture_ || kind != "picture", Data, "[{}] the sample '{}' has two pictures", tar_, key);
    EOSIN_CHECK(!texts_.contains(kind), Data, "[{}] the sample '{}' has two members .{}", tar_, key, extension);
    if (kind == "picture") {
      has_picture_ = true;
      entry_.file = tar_;
      entry_.member = member.name;
      entry_.place = member.header, entry_.bytes = member.bytes;
      return;
    }
    EOSIN_CHECK(member.bytes <= kLargestMember, Data, "[{}] the member '{}' has {} bytes (need at most {})", tar_, member.name, member.bytes,
                kLargestMember);
    texts_[kind] = read();
  }

  void flush() {
    if (has_picture_)
      out_.push_back(finished());
    else
      for (const auto& [kind, text] : texts_) apart_.emplace(key_, kind);
    entry_ = {}, texts_.clear(), has_picture_ = false;
  }

  /// After the last member: labels that lie apart from their picture are refused, those of no picture at all are counted.
  void finish() {
    flush();
    for (size_t i = first_; i < out_.size(); ++i) {
      const auto at = apart_.find(out_[i].id);
      EOSIN_CHECK(at == apart_.end(), Data,
                  "[{}] '{}.{}' is apart from its picture '{}'; members of one sample must follow one another (tar --sort=name)", tar_, at->first,
                  at->second, out_[i].member);
    }
    if (!apart_.empty())
      log::warn("[{}] {} members have no picture beside them; the first: '{}.{}'", tar_, apart_.size(), apart_.begin()->first,
                apart_.begin()->second);
  }

 private:
  ImageEntry finished() {
    entry_.id = key_;
    entry_.where = fmt::format("{}: {}", tar_, entry_.member);
    entry_.mpp = mpp_;
    try {
      entry_.label = trimmed(texts_["cls"]);
      entry_.caption = trimmed(texts_["txt"]);
      if (texts_.contains("json")) take_json(texts_["json"], entry_);
      check_texts(entry_);
    } catch (const Error& e) {
      forget_texts(entry_);
      entry_.mpp = mpp_;
      entry_.fault = e.what();
    }
    for (const std::string& next : {entry_.group, entry_.patient, fs::path(key_).parent_path().string(), fs::path(tar_).stem().string()})
      if (entry_.slide.empty()) entry_.slide = next;
    return std::move(entry_);
  }

  const std::string tar_;
  const double mpp_;
  std::vector<ImageEntry>& out_;
  const size_t first_;                             // of this tar
  std::multimap<std::string, std::string> apart_;  // key -> extension, without a picture beside them
  std::string key_;
  ImageEntry entry_;
  std::map<std::string, std::string> texts_;
  bool has_picture_ = false;
};

std::vector<std::string> tars_of(const std::string& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<std::string> tars;
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.is_regular_file() && entry.path().extension() == ".tar") tars.push_back(entry.path().string());
  EOSIN_CHECK(!tars.empty(), Data, "[{}] holds no tars", path);
  std::sort(tars.begin(), tars.end());
  return tars;
}

/// Many sets count their keys anew in every tar.
void make_ids_unique(std::vector<ImageEntry>& entries) {
  std::map<std::string, const std::string*> tar_of;
  const bool repeat =
      std::any_of(entries.begin(), entries.end(), [&](const ImageEntry& e) { return *tar_of.emplace(e.id, &e.file).first->second != e.file; });
  if (!repeat) return;
  for (ImageEntry& e : entries) e.id = fs::path(e.file).stem().string() + "/" + e.id;
}

Picture read_sample(const ImageEntry& entry) { return read_tar_member(entry.file, {entry.member, entry.place, entry.bytes}); }

}  // namespace

ImageTable read_webdataset(const std::string& path, const ImportConfig& config) {
  ImageTable table;
  table.read = read_sample;
  for (const std::string& tar : tars_of(path)) {
    SampleReader samples(tar, config.mpp, table.entries);
    for_each_tar_member(tar, [&](const TarMember& member, const auto& read) { samples.add(member, read); });
    samples.finish();
  }
  EOSIN_CHECK(!table.entries.empty(), Data, "[{}] holds no samples with a picture (jpg, jpeg or png)", path);
  make_ids_unique(table.entries);
  return table;
}

}  // namespace eosin::data
