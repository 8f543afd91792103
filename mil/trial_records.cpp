#include "mil/trial_records.h"

#include "core/base/error.h"

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include <sstream>

namespace eosin::mil {
namespace {

using Json = nlohmann::ordered_json;

Json rows_of(const Tensor& answers_MC) {
  if (!answers_MC.defined()) return nullptr;
  const Tensor x = answers_MC.to(at::kDouble).contiguous();
  Json rows = Json::array();
  for (int64_t i = 0; i < x.size(0); ++i) {
    const double* row = x.const_data_ptr<double>() + i * x.size(1);
    rows.push_back(std::vector<double>(row, row + x.size(1)));
  }
  return rows;
}

Tensor tensor_of(const Json& rows) {
  if (rows.is_null()) return {};
  std::vector<double> values;
  for (const Json& row : rows)
    for (const Json& v : row) values.push_back(v.get<double>());
  return at::tensor(values, at::kDouble).to(at::kFloat).view({static_cast<int64_t>(rows.size()), -1});
}

TrialResult result_of(const Json& j) {
  TrialResult r;
  r.epoch = j.at("epoch"), r.epochs = j.at("epochs"), r.score = j.at("score");
  r.losses = j.at("losses").get<std::vector<double>>(), r.scores = j.at("scores").get<std::vector<double>>();
  r.val_MC = tensor_of(j.at("val")), r.test_MC = tensor_of(j.at("test"));
  return r;
}

}  // namespace

TrialRecords::TrialRecords(const std::string& path) : file_(path) {
  std::istringstream lines(read_file(path));
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    try {
      const Json j = Json::parse(line);
      results_[j.at("key").get<std::string>()] = result_of(j);
    } catch (const nlohmann::json::exception& e) {
      fail(ErrorKind::Data, "[{}:{}] is no record of a model ({}); remove the line, and the model is trained again", path, number, e.what());
    }
  }
}

const TrialResult* TrialRecords::find(const std::string& key) const {
  const auto it = results_.find(key);
  return it == results_.end() ? nullptr : &it->second;
}

void TrialRecords::add(const std::string& key, const TrialResult& r) {
  EOSIN_ASSERT(r.failure.empty());
  const Json line{{"key", key},         {"epoch", r.epoch},   {"epochs", r.epochs},       {"score", r.score},
                  {"losses", r.losses}, {"scores", r.scores}, {"val", rows_of(r.val_MC)}, {"test", rows_of(r.test_MC)}};
  file_.append(line.dump());
  file_.sync();
  TrialResult kept = r;
  kept.weights.clear();
  results_[key] = std::move(kept);
}

}  // namespace eosin::mil
