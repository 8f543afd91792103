#include "data/tile_journal.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const SlideRecord& r) {
  Json j = {{"id", r.id}, {"status", r.status}, {"reason", r.reason}};
  j["mpp"] = r.mpp > 0 ? Json(r.mpp) : Json(nullptr);
  j["mpp_source"] = r.mpp_source;
  j["reader"] = r.reader;
  j["level"] = r.level;
  j["copied"] = r.copied;
  j["tiles"] = r.tiles;
  j["filtered"] = r.filtered;
  j["stain"] = r.stain;
  if (!r.stain_from.empty()) j["stain_from"] = Json::parse(r.stain_from);
  j["stain_left"] = r.stain_left;
  j["seconds"] = r.seconds;
  j["bytes"] = r.bytes;
  j["file_bytes"] = r.file_bytes;
  j["warnings"] = r.warnings;
  return j;
}

SlideRecord record_from(const Json& j) {
  SlideRecord r;
  r.id = j.at("id");
  r.status = j.at("status");
  r.reason = j.at("reason");
  if (!j.at("mpp").is_null()) r.mpp = j.at("mpp");
  r.mpp_source = j.at("mpp_source");
  r.reader = j.value("reader", "");
  r.level = j.at("level");
  r.copied = j.value("copied", false);
  r.tiles = j.at("tiles");
  r.filtered = j.at("filtered").get<std::map<std::string, int64_t>>();
  r.stain = j.value("stain", "");
  if (j.contains("stain_from")) r.stain_from = j.at("stain_from").dump();
  r.stain_left = j.value("stain_left", int64_t{0});
  r.seconds = j.at("seconds");
  r.bytes = j.at("bytes");
  r.file_bytes = j.value("file_bytes", int64_t{0});
  r.warnings = j.at("warnings").get<std::vector<std::string>>();
  return r;
}

/// A reason may be the words of a library or of a file, in any encoding.
std::string line_of(const Json& row) { return row.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Calls `use` for every row of the file, if there is one.
template <class Use>
void for_each_row(const std::string& path, Use use) {
  std::ifstream in(path);
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    try {
      use(Json::parse(line));
    } catch (const nlohmann::json::exception& e) {
      fail(ErrorKind::Data, "[tile] {}:{}: not a row of this file: {}", path, number, e.what());
    }
  }
}

}  // namespace

int64_t file_bytes(const std::string& path) {
  std::error_code absent;
  const auto size = fs::is_regular_file(path, absent) ? fs::file_size(path, absent) : 0;
  return absent ? 0 : static_cast<int64_t>(size);
}

struct TileJournal::Impl {
  explicit Impl(const std::string& f)
      : folder(f), slides_path((fs::path(f) / "slides.jsonl").string()), slides(slides_path), failures((fs::path(f) / "failures.jsonl").string()) {}

  std::string folder, slides_path;
  AppendFile slides, failures;  // opening them takes off a line that a kill cut short
  std::map<std::string, SlideRecord> records;
  std::map<std::string, int64_t> failed_runs;
  mutable std::mutex mutex;
};

TileJournal::TileJournal(const std::string& folder) {
  std::error_code ec;
  fs::create_directories(folder, ec);
  EOSIN_CHECK(!ec, Io, "[tile] cannot make the folder '{}': {}", folder, ec.message());
  impl_ = std::make_unique<Impl>(folder);
  for_each_row(impl_->slides_path, [&](const Json& j) {
    SlideRecord r = record_from(j);
    impl_->records[r.id] = std::move(r);
  });
  for_each_row((fs::path(folder) / "failures.jsonl").string(), [&](const Json& j) {
    int64_t& runs = impl_->failed_runs[j.at("id")];
    runs = std::max(runs, j.at("attempt").get<int64_t>());
  });
}

TileJournal::~TileJournal() = default;

const std::string& TileJournal::folder() const { return impl_->folder; }

std::optional<SlideRecord> TileJournal::find(const std::string& id) const {
  const std::lock_guard lock(impl_->mutex);
  const auto it = impl_->records.find(id);
  if (it == impl_->records.end()) return std::nullopt;
  return it->second;
}

void TileJournal::add(const SlideRecord& record) {
  const std::lock_guard lock(impl_->mutex);
  impl_->slides.append(line_of(to_json(record)));
  impl_->slides.sync();
  impl_->records[record.id] = record;
}

void TileJournal::add_failure(const std::string& id, const std::string& stage, const std::string& message, std::optional<Point> where) {
  const std::lock_guard lock(impl_->mutex);
  const auto before = impl_->failed_runs.find(id);
  Json row = {{"id", id}, {"stage", stage}, {"message", message}, {"attempt", before == impl_->failed_runs.end() ? 1 : before->second + 1}};
  if (where) {
    row["x"] = where->x;
    row["y"] = where->y;
  }
  impl_->failures.append(line_of(row));
}

void TileJournal::close(const std::vector<std::string>& order, const std::function<bool(const std::string& id)>& stays) {
  const std::lock_guard lock(impl_->mutex);
  std::string text;
  const auto add = [&text](const SlideRecord& record) { text += line_of(to_json(record)) + "\n"; };
  for (const auto& id : order)
    if (const auto it = impl_->records.find(id); it != impl_->records.end()) add(it->second);
  const std::set<std::string> named(order.begin(), order.end());
  for (const auto& [id, record] : impl_->records)
    if (!named.contains(id) && stays(id)) add(record);
  write_file(impl_->slides_path, text);
}

}  // namespace eosin::data
