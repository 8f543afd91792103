#pragma once
// The one exception type of eosin. A message says where, what is wrong, what was got and needed, and what to do.
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace eosin {

/// Kinds of error; the value is the process's exit code (docs: cli.md section 2).
enum class ErrorKind : int { Config = 2, Data = 3, Io = 4, Shape = 5, Numeric = 6, Internal = 7 };

/// Exit code of a run that was asked to stop and wrote a checkpoint: start the same command again.
inline constexpr int kExitStopped = 75;

/// Name of a kind in lower case: "config", "data", "io", "shape", "numeric", "internal".
const char* name(ErrorKind kind) noexcept;

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

/// Throws Error{kind, formatted message}. Write messages as "[where] what is wrong (got X, need Y); what to do".
template <class... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// Throws an Io error that ends with strerror(code).
[[noreturn]] void fail_errno(const std::string& what, int code);

}  // namespace eosin

/// For what a user or a file can cause: EOSIN_CHECK(n > 0, Shape, "[embed] batch is empty (got {})", n).
#define EOSIN_CHECK(condition, kind, ...)                   \
  do {                                                      \
    if (!(condition)) [[unlikely]]                          \
      ::eosin::fail(::eosin::ErrorKind::kind, __VA_ARGS__); \
  } while (false)

/// For our own mistakes, which no test can provoke.
#define EOSIN_ASSERT(condition)                                                                                                   \
  do {                                                                                                                            \
    if (!(condition)) [[unlikely]]                                                                                                \
      ::eosin::fail(::eosin::ErrorKind::Internal, "[{}:{}] assertion failed: {}; this is a bug", __FILE__, __LINE__, #condition); \
  } while (false)
