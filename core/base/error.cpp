#include "core/base/error.h"

#include <cstring>

namespace eosin {

const char* name(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::Config:
      return "config";
    case ErrorKind::Data:
      return "data";
    case ErrorKind::Io:
      return "io";
    case ErrorKind::Shape:
      return "shape";
    case ErrorKind::Numeric:
      return "numeric";
    case ErrorKind::Internal:
      return "internal";
  }
  return "internal";
}

void fail_errno(const std::string& what, int code) { fail(ErrorKind::Io, "{}: {}", what, std::strerror(code)); }

}  // namespace eosin
