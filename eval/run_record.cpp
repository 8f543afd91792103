#include "eval/run_record.h"

#include "core/base/config.h"
#include "core/base/error.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

namespace eosin::eval {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kPictureBudget = size_t{8} << 20;

std::optional<std::string> file_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

Json read_json(const fs::path& path, std::vector<std::string>& notes) {
  const auto text = file_text(path);
  if (!text) return nullptr;
  Json value = Json::parse(*text, nullptr, false);
  if (value.is_object()) return value;
  notes.push_back(fmt::format("{} is not a JSON object and is left out", path.filename().string()));
  return nullptr;
}

std::vector<Json> read_lines(const fs::path& path, std::vector<std::string>& notes) {
  std::vector<Json> rows;
  const auto text = file_text(path);
  if (!text) return rows;
  size_t bad = 0;
  for (size_t begin = 0; begin < text->size();) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    Json row = Json::parse(text->begin() + static_cast<std::ptrdiff_t>(begin), text->begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (row.is_object())
      rows.push_back(std::move(row));
    else if (end < text->size() && end > begin)
      ++bad;
    begin = end + 1;
  }
  if (bad > 0) notes.push_back(fmt::format("{}: {} lines are no JSON objects and are left out", path.filename().string(), bad));
  return rows;
}

std::vector<Json> last_of_each_step(std::vector<Json> rows) {
  std::map<double, Json> by_step;
  for (Json& row : rows)
    if (row.contains("step") && row["step"].is_number()) by_step[row["step"].get<double>()].update(row);
  std::vector<Json> ordered;
  for (auto& [step, row] : by_step) ordered.push_back(std::move(row));
  return ordered;
}

std::string readable(std::string stem) {
  std::replace(stem.begin(), stem.end(), '_', ' ');
  return stem;
}

void read_pictures(const fs::path& folder, RunRecord& run, size_t& budget) {
  if (!fs::is_directory(folder)) return;
  std::vector<fs::path> files;
  for (const auto& e : fs::directory_iterator(folder))
    if (e.is_regular_file()) files.push_back(e.path());
  std::sort(files.begin(), files.end());
  const Json captions = read_json(folder / "captions.json", run.notes);
  for (const fs::path& file : files) {
    const std::string extension = file.extension().string();
    const std::string mime = extension == ".png" ? "image/png" : extension == ".jpg" || extension == ".jpeg" ? "image/jpeg" : "";
    if (mime.empty()) continue;
    const auto size = fs::file_size(file);
    if (size > budget) {
      ++run.pictures_left_out;
      continue;
    }
    budget -= size;
    const std::string name = file.filename().string();
    const bool captioned = captions.is_object() && captions.contains(name) && captions[name].is_string();
    run.pictures.push_back(
        {name, captioned ? captions[name].get<std::string>() : readable(file.stem().string()), mime, file_text(file).value_or("")});
  }
}

/// What config.yaml calls the run; a file that is no config is noted.
void read_names(const fs::path& file, RunRecord& run) {
  if (run.config_yaml.empty()) return;
  try {
    const auto source = config::Source::from_file(file.string());
    run.verb = source.peek("verb").value_or("");
    run.name = source.peek("run.name").value_or("");
  } catch (const Error& e) {
    run.notes.push_back(e.what());
  }
}

/// A folder without a config is known by its files.
std::string verb_by_files(const RunRecord& run) {
  if (!run.results.is_null()) return "eval";
  if (!run.metrics.empty()) return "pretrain";
  return run.slides.empty() ? "run" : "tile";
}

}  // namespace

RunRecord read_run(const std::string& dir) {
  const fs::path root(dir);
  EOSIN_CHECK(fs::is_directory(root), Io, "[report] there is no run folder '{}'", dir);
  RunRecord run;
  run.dir = dir;
  run.config_yaml = file_text(root / "config.yaml").value_or("");
  run.model_card = file_text(root / "model_card.md").value_or("");
  run.manifest = read_json(root / "manifest.json", run.notes);
  run.results = read_json(root / "results.json", run.notes);
  run.metrics = last_of_each_step(read_lines(root / "metrics.jsonl", run.notes));
  run.slides = read_lines(root / "slides.jsonl", run.notes);
  run.failures = read_lines(root / "failures.jsonl", run.notes);
  size_t budget = kPictureBudget;
  read_pictures(root / "pictures", run, budget);
  read_pictures(root / "qc", run, budget);
  EOSIN_CHECK(!run.config_yaml.empty() || !run.results.is_null() || !run.metrics.empty() || !run.slides.empty(), Io,
              "[report] '{}' is no run folder: it holds none of config.yaml, results.json, metrics.jsonl, slides.jsonl", dir);
  read_names(root / "config.yaml", run);
  if (run.verb.empty()) run.verb = verb_by_files(run);
  if (!run.name.empty()) return run;
  const fs::path last = root.has_filename() ? root.filename() : root.parent_path().filename();
  run.name = last == "." || last.empty() ? fs::absolute(root).lexically_normal().filename().string() : last.string();
  return run;
}

}  // namespace eosin::eval
