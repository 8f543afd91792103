#pragma once
// SHA-256 of bytes as they come (FIPS 180-4), by libcrypto, which uses the machine's instructions.
#include <memory>
#include <string>
#include <string_view>

namespace eosin {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  /// Digest of everything so far, 64 hex characters; the object is spent.
  std::string hex();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string sha256(std::string_view bytes);
/// Digest of a whole file. Errors: Io.
std::string sha256_file(const std::string& path);

}  // namespace eosin
