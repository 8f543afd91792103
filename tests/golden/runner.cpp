#include "tests/golden/runner.h"

#include "core/base/error.h"
#include "core/tensor/safetensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>

namespace eosin::golden {
namespace fs = std::filesystem;

const Tensor& Case::at(const std::string& name) const {
  const auto it = tensors.find(name);
  if (it == tensors.end()) throw BadCase("the case has no tensor '" + name + "'");
  return it->second;
}

TensorMap Case::below(const std::string& prefix) const {
  TensorMap found;
  for (const auto& [name, t] : tensors)
    if (name.rfind(prefix, 0) == 0) found.emplace(name.substr(prefix.size()), t);
  return found;
}

std::vector<std::string> Case::gradients() const {
  std::vector<std::string> names;
  for (const auto& [name, t] : below("grad.")) names.push_back(name);
  return names;
}

std::string Case::bytes(const std::string& name) const {
  const Tensor t = at(name).contiguous();
  return {static_cast<const char*>(t.const_data_ptr()), t.nbytes()};
}

std::string Case::file(const std::string& name) const {
  const std::string found = (fs::path(folder) / name).string();
  if (!fs::exists(found)) throw BadCase("the case has no file '" + found + "'");
  return found;
}

std::string Case::find_file(const std::string& name) const {
  std::vector<std::string> folders;
  if (const char* list = std::getenv("EOSIN_GOLDEN_FILES")) {
    std::stringstream in(list);
    for (std::string f; std::getline(in, f, ':');) folders.push_back(f);
  }
  const char* data = std::getenv("EOSIN_TEST_DATA");
  for (const std::string& root : {std::string(data ? data : ""), std::string("../shared/data")})
    if (!root.empty())
      for (const char* below : {"/wsi", "/mil"}) folders.push_back(root + below);
  for (const auto& f : folders)
    if (fs::exists(fs::path(f) / name)) return (fs::path(f) / name).string();
  throw Skip("file '" + name + "' not found");
}

Tensor scalar_f64(double v) { return at::full({1}, v, at::kDouble); }
Tensor scalar_i64(int64_t v) { return at::full({1}, v, at::kLong); }

namespace {

/// What the program does not do. With --complete these alone may be skipped: all else that cannot be replayed fails.
struct NotBuilt {
  const char* beginning;  // of the operation's name
  const char* why;
};
constexpr NotBuilt kNotBuilt[] = {
    {"vl.", "no text encoder, so no vision-language training"},
    {"optim.step of ", "no such row in optim::optimizer_table()"},
    {"optim.averaging", "no averages of weights beside the teachers' (ssl)"},
    {"optim.domain_alignment", "no domain adaptation"},
    {"optim.first_layer_tract", "no second-order optimizer"},
    {"optim.gns_newton", "no second-order optimizer"},
    {"optim.head_hessian", "no second-order optimizer"},
    {"optim.hvp_on_function", "no second-order optimizer"},
    {"optim.kfac", "no second-order optimizer"},
    {"optim.lbfgs", "no second-order optimizer beside the probes' (eval.linear_probe)"},
    {"optim.grad_transform", "gradients are clipped (ssl.clip_gradients), not transformed"},
    {"optim.gradient_stats", "gradients are clipped (ssl.clip_gradients), not analysed"},
    {"optim.loss_weighting", "no multi-task training"},
    {"optim.mtl_toy", "no multi-task training"},
    {"optim.surgery", "no multi-task training"},
    {"optim.stablemax", "no other softmax"},
    {"optim.synthetic_1d", "functions for comparing optimizers"},
    {"optim.zo_spsa", "no gradient-free optimizer"},
};

/// Why, or null if the program should have it.
const char* why_not_built(const std::string& what) {
  for (const NotBuilt& n : kNotBuilt)
    if (what.starts_with(n.beginning)) return n.why;
  return nullptr;
}

bool expects_error(const Case& c) { return c.config.value("expect", "") == "error" || c.config.contains("expect_error"); }
bool reads_file(const std::string& op) { return op == "data.safetensors" || op == "data.pickle_reader" || op == "data.npy" || op == "data.idx_gz"; }

/// Empty if equal, else tensor, worst index, got, want.
std::string compare(const std::string& name, const Tensor& got_in, const Tensor& want_in, double rtol, double atol, bool exact_dtype) {
  if (!got_in.defined()) return name + ": undefined result";
  const bool scalars = got_in.numel() == 1 && want_in.numel() == 1;
  if (!scalars && got_in.sizes() != want_in.sizes())
    return fmt::format("{}: shape {} want {}", name, fmt::join(got_in.sizes().vec(), "x"), fmt::join(want_in.sizes().vec(), "x"));
  if (exact_dtype && got_in.scalar_type() != want_in.scalar_type())
    return fmt::format("{}: type {} want {}", name, c10::toString(got_in.scalar_type()), c10::toString(want_in.scalar_type()));
  if (want_in.numel() == 0) return {};
  Tensor got = got_in.detach().cpu().reshape({-1}), want = want_in.detach().cpu().reshape({-1});
  const bool real = at::isFloatingType(want.scalar_type()) || at::isFloatingType(got.scalar_type());
  if (!real && !at::isComplexType(want.scalar_type())) {
    got = got.to(at::kLong), want = want.to(at::kLong);
    const Tensor wrong = got.ne(want).nonzero();
    if (wrong.numel() == 0) return {};
    const int64_t i = wrong[0][0].item<int64_t>();
    return fmt::format("{}[{}]: got {} want {} ({} of {} differ)", name, i, got[i].item<int64_t>(), want[i].item<int64_t>(), wrong.size(0),
                       want.numel());
  }
  got = got.to(at::kDouble), want = want.to(at::kDouble);
  const Tensor same = got.eq(want).logical_or(got.isnan().logical_and(want.isnan()));
  Tensor excess = at::where(same, at::zeros_like(got), (got - want).abs() - (atol + rtol * want.abs()));
  excess = at::where(excess.isnan(), at::full_like(excess, INFINITY), excess);
  const int64_t i = excess.argmax().item<int64_t>();
  if (excess[i].item<double>() <= 0) return {};
  return fmt::format("{}[{}]: got {:.9g} want {:.9g} ({} of {} beyond rtol {} atol {})", name, i, got[i].item<double>(), want[i].item<double>(),
                     excess.gt(0).sum().item<int64_t>(), want.numel(), rtol, atol);
}

std::vector<std::string> replay(const Case& c, const Adapter& adapter, double rtol, double atol) {
  if (expects_error(c)) {
    try {
      adapter(c);
    } catch (const Error& e) {
      return {};
    }
    return {"accepted what must be refused"};
  }
  const Results results = adapter(c);
  std::vector<std::string> failures;
  for (const auto& [name, want] : c.tensors) {
    if (name.rfind("out.", 0) != 0 && name.rfind("grad.", 0) != 0) continue;
    const auto it = results.find(name);
    if (it == results.end()) {
      failures.push_back(name + ": no result");
      continue;
    }
    if (auto what = compare(name, it->second, want, rtol, atol, reads_file(c.op)); !what.empty()) failures.push_back(what);
  }
  if (reads_file(c.op))
    for (const auto& [name, t] : results)
      if (!c.has(name)) failures.push_back(name + ": result that the file does not hold");
  return failures;
}

Case load(const fs::path& path, double& rtol, double& atol) {
  SafetensorsFile file = read_safetensors(path.string());
  Case c;
  c.path = path.string();
  c.folder = path.parent_path().string();
  c.op = file.metadata["op"];
  c.config = nlohmann::json::parse(file.metadata["config"].empty() ? "{}" : file.metadata["config"]);
  const auto tolerance = nlohmann::json::parse(file.metadata["tolerance"].empty() ? "{}" : file.metadata["tolerance"]);
  rtol = tolerance.value("rtol", 0.0);
  atol = tolerance.value("atol", 0.0);
  c.tensors = std::move(file.tensors);
  return c;
}

}  // namespace

int run(const std::vector<std::string>& folders, const std::string& filter, bool complete) {
  std::map<std::string, Adapter> table;
  for (auto rows : {data_files_rows(), data_slides_rows(), data_store_rows(), data_views_rows(), data_stain_rows(), base_rows(), nn_rows(),
                    nn_more_rows(), ssl_rows(), ssl_masked_rows(), ssl_joint_rows(), optim_rows(), mil_rows(), mil_parts_rows(), eval_rows(),
                    eval_statistics_rows(), eval_features_rows(), eval_segmentation_rows()})
    for (auto& row : rows) table.emplace(row.op, std::move(row.adapter));
  std::vector<fs::path> files;
  for (const auto& folder : folders) {
    if (fs::is_regular_file(folder)) files.emplace_back(folder);
    if (!fs::is_directory(folder)) continue;
    for (const auto& e : fs::recursive_directory_iterator(folder))
      if (e.is_regular_file() && e.path().extension() == ".safetensors" && e.path().parent_path().filename() != "files") files.push_back(e.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "error: [golden] no cases in %s\n", fmt::format("{}", fmt::join(folders, ", ")).c_str());
    return 2;
  }
  int passed = 0, failed = 0, skipped = 0;
  for (const auto& path : files) {
    std::string op = "?";
    try {
      double rtol = 0, atol = 0;
      const Case c = load(path, rtol, atol);
      op = c.op;
      if (op.find(filter) == std::string::npos) continue;
      const auto it = table.find(op);
      if (it == table.end()) throw Skip(op);
      const auto failures = replay(c, it->second, rtol, atol);
      for (const auto& f : failures) std::printf("FAIL %s %s %s\n", op.c_str(), path.c_str(), f.c_str());
      ++(failures.empty() ? passed : failed);
    } catch (const Skip& s) {
      const char* why = why_not_built(s.what());
      const bool may = why || !complete;
      std::printf("%s %s not here: %s%s\n", may ? "SKIP" : "FAIL", path.c_str(), s.what(), why ? fmt::format(" ({})", why).c_str() : "");
      ++(may ? skipped : failed);
    } catch (const std::exception& e) {
      std::printf("FAIL %s %s %s\n", op.c_str(), path.c_str(), e.what());
      ++failed;
    }
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 ? 0 : 1;
}

}  // namespace eosin::golden

int main(int argc, char** argv) {
  std::vector<std::string> folders;
  std::string filter;
  bool complete = false;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    if (a.rfind("--op=", 0) == 0)
      filter = a.substr(5);
    else if (a == "--complete")
      complete = true;
    else
      folders.push_back(a);
  }
  if (folders.empty()) {
    const char* env = std::getenv("EOSIN_GOLDEN");
    folders.push_back(env ? env : "../shared/golden");
  }
  at::globalContext();
  return eosin::golden::run(folders, filter, complete);
}
