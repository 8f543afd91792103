#pragma once
// Tensors of a case as the plain arrays that eval/ works on, and back.
#include "eval/matrix.h"
#include "tests/golden/runner.h"

#include <ATen/ATen.h>

namespace eosin::golden {

using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;

template <class T>
std::vector<T> values(const Tensor& t_in, at::ScalarType type) {
  const Tensor t = t_in.to(type).contiguous();
  const T* data = t.const_data_ptr<T>();
  return {data, data + t.numel()};
}
/// Empty if the case has no such tensor.
inline Ints ints(const Case& c, const std::string& name) { return c.has(name) ? values<int64_t>(c.at(name), at::kLong) : Ints{}; }
inline Reals reals(const Case& c, const std::string& name) { return c.has(name) ? values<double>(c.at(name), at::kDouble) : Reals{}; }
/// A vector is a matrix of one column.
inline eval::Matrix matrix(const Case& c, const std::string& name) {
  const Tensor& t = c.at(name);
  eval::Matrix m;
  m.rows = t.size(0), m.cols = t.dim() > 1 ? t.size(1) : 1;
  m.values = reals(c, name);
  return m;
}
inline Tensor tensor(const Reals& v) { return at::tensor(v, at::kDouble); }
inline Tensor tensor(const Ints& v) { return at::tensor(v, at::kLong); }
inline Tensor tensor(const std::vector<bool>& v) { return at::tensor(Ints(v.begin(), v.end()), at::kLong).to(at::kBool); }
inline Tensor tensor(const eval::Matrix& m) { return at::tensor(m.values, at::kDouble).reshape({m.rows, m.cols}); }

inline int64_t num_classes(const Case& c) { return c.config.value("num_classes", int64_t{2}); }
inline std::string word(const Case& c, const char* key, const char* absent) { return c.config.value(key, std::string(absent)); }
inline Results value(double v) { return {{"out.value", scalar_f64(v)}}; }

}  // namespace eosin::golden
