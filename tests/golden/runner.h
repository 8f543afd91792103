#pragma once
// Replays eosin-golden-1 cases. An adapter turns a case's inputs into calls of the product's public functions and hands the
// results back; it computes nothing itself.
#include "core/tensor/tensor.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace eosin::golden {

struct Case {
  std::string path, folder, op;
  nlohmann::json config;
  TensorMap tensors;  // all of the file: "in.*", "param.*", "out.*", "grad.*"

  /// The tensor of that full name. Throws BadCase.
  const Tensor& at(const std::string& name) const;
  bool has(const std::string& name) const { return tensors.count(name) != 0; }
  /// Tensors whose name begins with `prefix` ("param."), without the prefix.
  TensorMap below(const std::string& prefix) const;
  /// Names of the gradients that the case stores, without "grad.".
  std::vector<std::string> gradients() const;
  /// The bytes of a u8 tensor.
  std::string bytes(const std::string& name) const;
  /// Path of a file that lies with the case. Throws BadCase.
  std::string file(const std::string& name) const;
  /// Path of a slide or bag file named in the config: EOSIN_GOLDEN_FILES, $EOSIN_TEST_DATA/{wsi,mil}, ../shared/data/{wsi,mil}. Throws Skip.
  std::string find_file(const std::string& name) const;
};

/// Results under the case's names: "out.x", "grad.y". A result that the case does not list is ignored; one that it lists and is missing fails.
using Results = TensorMap;
using Adapter = std::function<Results(const Case&)>;
struct Row {
  std::string op;
  Adapter adapter;
};

/// Thrown by an adapter or find_file: the case cannot run here. Names what is not there, as kNotBuilt (runner.cpp) does.
struct Skip : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// The case itself is at fault. No eosin::Error, so that it never passes for the product's refusal of a bad input.
struct BadCase : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One file an area; runner.cpp joins the tables.
std::vector<Row> data_files_rows();         // data_files.cpp
std::vector<Row> data_slides_rows();        // data_slides.cpp
std::vector<Row> data_store_rows();         // data_store.cpp
std::vector<Row> data_views_rows();         // data_views.cpp
std::vector<Row> data_stain_rows();         // data_stain.cpp
std::vector<Row> base_rows();               // base.cpp: philox, crc32c, feistel, sampler, file formats
std::vector<Row> nn_rows();                 // nn.cpp
std::vector<Row> nn_more_rows();            // nn_more.cpp: rotary positions, token merging, imported models
std::vector<Row> ssl_rows();                // ssl.cpp
std::vector<Row> ssl_masked_rows();         // ssl_masked.cpp: DINOv2, iBOT, MAE, masks, regularisers
std::vector<Row> ssl_joint_rows();          // ssl_joint.cpp: joint embedding, distillation
std::vector<Row> optim_rows();              // optim.cpp
std::vector<Row> eval_rows();               // eval.cpp: classification, ranking, calibration, bootstrap, probes, splits
std::vector<Row> eval_statistics_rows();    // eval_statistics.cpp: tests, survival, regression
std::vector<Row> eval_features_rows();      // eval_features.cpp: probes, representation, robustness, training dynamics
std::vector<Row> eval_segmentation_rows();  // eval_segmentation.cpp
std::vector<Row> mil_rows();                // mil.cpp: pooling, CLAM, DSMIL, TransMIL
std::vector<Row> mil_parts_rows();          // mil_parts.cpp: other heads, slide encoders, losses

/// Scalars as tensors, for adapters.
Tensor scalar_f64(double v);
Tensor scalar_i64(int64_t v);

}  // namespace eosin::golden
