#include "core/base/sha256.h"

#include "core/base/error.h"

#include <openssl/evp.h>

#include <cerrno>
#include <fstream>
#include <vector>

namespace eosin {

struct Sha256::Impl {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  EOSIN_ASSERT(impl_->context && EVP_DigestInit_ex(impl_->context.get(), EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) { EOSIN_ASSERT(EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size()) == 1); }

std::string Sha256::hex() {
  unsigned char digest[32];
  EOSIN_ASSERT(EVP_DigestFinal_ex(impl_->context.get(), digest, nullptr) == 1);
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256(std::string_view bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.hex();
}

std::string sha256_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail_errno(fmt::format("[{}] cannot open for reading", path), errno);
  Sha256 digest;
  std::vector<char> block(1 << 20);
  do {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    digest.update({block.data(), static_cast<size_t>(in.gcount())});
  } while (in);
  if (in.bad()) fail_errno(fmt::format("[{}] cannot read", path), errno);
  return digest.hex();
}

}  // namespace eosin
