#include "tls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace voicechan::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* pointer) const { Free(pointer); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;

constexpr long kDay = 86'400;

class TlsFilesFixture : public ::testing::Test {
 protected:
  TlsFilesFixture() {
    std::string pattern = ::testing::TempDir() + "voicechan-tls-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~TlsFilesFixture() override {
    for (const char* name : {"/c.pem", "/k.pem", "/other.pem"}) ::unlink((folder_ + name).c_str());
    ::rmdir(folder_.c_str());
  }

  static Key make_key() { return Key(EVP_EC_gen("P-256")); }

  std::string write_key(const char* name, EVP_PKEY* key, const char* passphrase = nullptr) {
    const std::string file = folder_ + name;
    std::FILE* const out = std::fopen(file.c_str(), "w");
    const EVP_CIPHER* const cipher = passphrase == nullptr ? nullptr : EVP_aes_128_cbc();
    PEM_write_PKCS8PrivateKey(out, key, cipher, passphrase, passphrase == nullptr ? 0 : 6, nullptr,
                              nullptr);
    std::fclose(out);
    return file;
  }

  std::string write_certificate(EVP_PKEY* key, long from, long to) {
    const Certificate certificate(X509_new());
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), to);
    X509_set_pubkey(certificate.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
    X509_sign(certificate.get(), key, EVP_sha256());
    const std::string file = folder_ + "/c.pem";
    std::FILE* const out = std::fopen(file.c_str(), "w");
    PEM_write_X509(out, certificate.get());
    std::fclose(out);
    return file;
  }

  TlsFiles write_pair(long from = -kDay, long to = kDay) {
    const Key key = make_key();
    return {write_certificate(key.get(), from, to), write_key("/k.pem", key.get())};
  }

  static std::string error_of(const TlsFiles& files) {
    try {
      (void)TlsContext::load(files);
      return {};
    } catch (const TlsContext::Error& error) {
      return error.what();
    }
  }

  std::string folder_;
};

using TlsContextTest = TlsFilesFixture;

TEST_F(TlsContextTest, AGoodPairIsLoadedWithoutWarning) {
  EXPECT_EQ(TlsContext::load(write_pair())->warning(), "");
}

TEST_F(TlsContextTest, AnExpiredCertificateIsAWarning) {
  EXPECT_THAT(TlsContext::load(write_pair(-2 * kDay, -kDay))->warning(), HasSubstr("has expired"));
}

TEST_F(TlsContextTest, ACertificateOfTheFutureIsAWarning) {
  EXPECT_THAT(TlsContext::load(write_pair(kDay, 2 * kDay))->warning(),
              HasSubstr("is not valid yet"));
}

TEST_F(TlsContextTest, ErrorsNameTheFileAndWhatIsWrong) {
  const TlsFiles good = write_pair();
  const std::string other = write_key("/other.pem", make_key().get());
  EXPECT_THAT(error_of({good.certificate, other}), HasSubstr("other.pem: it is not the key of"));
  EXPECT_THAT(error_of({good.certificate, folder_ + "/none"}), HasSubstr("/none: No such file"));
  EXPECT_THAT(error_of({good.key, good.key}), HasSubstr("k.pem: no usable certificate"));
  EXPECT_THAT(error_of({good.certificate, good.certificate}),
              HasSubstr("c.pem: no usable private"));
}

TEST_F(TlsContextTest, AKeyWithAPassphraseIsAnErrorAndNoQuestion) {
  const Key key = make_key();
  const std::string certificate = write_certificate(key.get(), -kDay, kDay);
  EXPECT_THAT(error_of({certificate, write_key("/k.pem", key.get(), "secret")}),
              HasSubstr("no usable private key"));
}

/// A client by OpenSSL and a stream, with nothing but memory between them.
class TlsStreamTest : public TlsFilesFixture {
 protected:
  TlsStreamTest() {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    client_.reset(SSL_new(context_.get()));
    SSL_set_bio(client_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client_.get());
    BIO_set_mem_eof_return(SSL_get_rbio(client_.get()), -1);
  }

  /// Hands what the client has to say to the stream, and the other way round.
  void exchange(std::size_t step = 16'384) {
    std::string bytes(step, '\0');
    int size = 0;
    while ((size = BIO_read(SSL_get_wbio(client_.get()), bytes.data(), static_cast<int>(step))) >
           0) {
      const auto taken =
          stream_.decrypt(std::string_view(bytes.data(), static_cast<std::size_t>(size)), plain_);
      received_.append(plain_.begin(), plain_.begin() + static_cast<std::ptrdiff_t>(taken));
    }
    while (!stream_.pending().empty()) {
      const std::string_view out = stream_.pending().substr(0, step);
      BIO_write(SSL_get_rbio(client_.get()), out.data(), static_cast<int>(out.size()));
      stream_.consume(out.size());
    }
  }

  bool handshake(std::size_t step = 16'384) {
    for (int i = 0; i < 10 && SSL_do_handshake(client_.get()) != 1; ++i) exchange(step);
    exchange(step);
    return SSL_is_init_finished(client_.get()) != 0 && stream_.can_encrypt();
  }

  void client_sends(std::string_view text) {
    SSL_write(client_.get(), text.data(), static_cast<int>(text.size()));
  }

  std::string client_reads() {
    std::string text(65'536, '\0');
    const int size = SSL_read(client_.get(), text.data(), static_cast<int>(text.size()));
    return text.substr(0, size > 0 ? static_cast<std::size_t>(size) : 0);
  }

  std::shared_ptr<const TlsContext> served_ = TlsContext::load(write_pair());
  TlsStream stream_{*served_};
  std::vector<std::uint8_t> plain_ =
      std::vector<std::uint8_t>(65'536 + TlsStream::kMaxCarriedBytes);
  std::string received_;
  std::unique_ptr<SSL_CTX, Freed<SSL_CTX, SSL_CTX_free>> context_;
  std::unique_ptr<SSL, Freed<SSL, SSL_free>> client_;
};

TEST_F(TlsStreamTest, CarriesBytesBothWays) {
  ASSERT_TRUE(handshake());
  client_sends("to the server");
  exchange();
  EXPECT_EQ(received_, "to the server");
  EXPECT_EQ(stream_.encrypt("to the client"), 13u);
  exchange();
  EXPECT_EQ(client_reads(), "to the client");
  EXPECT_EQ(stream_.state(), TlsStream::State::open);
}

TEST_F(TlsStreamTest, HandshakeAndRecordsMayComeByteByByte) {
  ASSERT_TRUE(handshake(1));
  client_sends("slowly");
  client_sends("but all");
  exchange(1);
  EXPECT_EQ(received_, "slowlybut all");
}

TEST_F(TlsStreamTest, RecordsOfALargeMessageAreCutAnywhere) {
  ASSERT_TRUE(handshake());
  const std::string sent(200'000, 'x');
  client_sends(sent);
  exchange(10'007);
  EXPECT_EQ(received_, sent);
}

TEST_F(TlsStreamTest, SpeaksTls12) {
  SSL_set_max_proto_version(client_.get(), TLS1_2_VERSION);
  ASSERT_TRUE(handshake());
  client_sends("older");
  exchange();
  EXPECT_EQ(received_, "older");
}

TEST_F(TlsStreamTest, RefusesOlderVersions) {
  SSL_set_security_level(client_.get(), 0);
  SSL_set_max_proto_version(client_.get(), TLS1_1_VERSION);
  EXPECT_FALSE(handshake());
  EXPECT_EQ(stream_.state(), TlsStream::State::failed);
}

TEST_F(TlsStreamTest, RefusesRenegotiation) {
  SSL_set_max_proto_version(client_.get(), TLS1_2_VERSION);
  ASSERT_TRUE(handshake());
  SSL_renegotiate(client_.get());
  SSL_do_handshake(client_.get());
  exchange();
  EXPECT_NE(SSL_do_handshake(client_.get()), 1);
}

TEST_F(TlsStreamTest, ChoosesHttp11OfTheOfferedProtocols) {
  const unsigned char offer[] = "\x02h2\x08http/1.1";
  SSL_set_alpn_protos(client_.get(), offer, sizeof offer - 1);
  ASSERT_TRUE(handshake());
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(client_.get(), &chosen, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size), "http/1.1");
}

TEST_F(TlsStreamTest, RefusesAClientThatSpeaksOtherProtocolsOnly) {
  const unsigned char offer[] = "\x02h2";
  SSL_set_alpn_protos(client_.get(), offer, sizeof offer - 1);
  EXPECT_FALSE(handshake());
}

TEST_F(TlsStreamTest, EncryptsNothingBeforeTheHandshakeIsComplete) {
  EXPECT_FALSE(stream_.can_encrypt());
  EXPECT_EQ(stream_.encrypt("early"), 0u);
  stream_.end();
  EXPECT_EQ(stream_.pending(), "");
}

TEST_F(TlsStreamTest, EncryptsOneRecordAtATime) {
  ASSERT_TRUE(handshake());
  EXPECT_EQ(stream_.encrypt(std::string(100'000, 'x')), TlsStream::kMaxRecordBytes);
  EXPECT_LT(stream_.pending().size(), TlsStream::kMaxRecordBytes + 256);
}

TEST_F(TlsStreamTest, TheClientsCloseNotifyEndsItsSideOnly) {
  ASSERT_TRUE(handshake());
  client_sends("last");
  SSL_shutdown(client_.get());
  exchange();
  EXPECT_EQ(received_, "last");
  EXPECT_EQ(stream_.state(), TlsStream::State::ended);
  EXPECT_EQ(stream_.encrypt("still"), 5u);
}

TEST_F(TlsStreamTest, EndTellsTheClient) {
  ASSERT_TRUE(handshake());
  stream_.end();
  exchange();
  EXPECT_EQ(client_reads(), "");
  EXPECT_EQ(SSL_get_shutdown(client_.get()) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
  EXPECT_FALSE(stream_.can_encrypt());
}

TEST_F(TlsStreamTest, PlainHttpIsAnsweredSo) {
  EXPECT_EQ(stream_.decrypt("OPTIONS / HTTP/1.1\r\n", plain_), 0u);
  EXPECT_EQ(stream_.state(), TlsStream::State::failed);
  EXPECT_THAT(std::string(stream_.pending()), StartsWith("HTTP/1.1 400 "));
}

TEST_F(TlsStreamTest, GarbageFailsWithAReasonThatIsNotFromTheNetwork) {
  EXPECT_EQ(stream_.decrypt(std::string(5'000, '\x7f'), plain_), 0u);
  EXPECT_EQ(stream_.state(), TlsStream::State::failed);
  EXPECT_STREQ(stream_.failure(), "wrong version number");
}

TEST_F(TlsStreamTest, ADamagedRecordFailsAndAnAlertIsPending) {
  ASSERT_TRUE(handshake());
  client_sends("to be damaged");
  char record[256];
  const int size = BIO_read(SSL_get_wbio(client_.get()), record, sizeof record);
  ASSERT_GT(size, 20);
  record[size - 1] ^= 1;
  EXPECT_EQ(stream_.decrypt({record, static_cast<std::size_t>(size)}, plain_), 0u);
  EXPECT_EQ(stream_.state(), TlsStream::State::failed);
  EXPECT_FALSE(stream_.pending().empty());
  EXPECT_EQ(stream_.encrypt("no more"), 0u);
}

TEST_F(TlsStreamTest, KeyUpdatesWhoseAnswersAreNotReadTakeNoEndlessMemory) {
  ASSERT_TRUE(handshake());
  for (int i = 0; i < 10'000; ++i) {
    SSL_key_update(client_.get(), SSL_KEY_UPDATE_REQUESTED);
    client_sends("x");
    char record[256];
    int size = 0;
    while ((size = BIO_read(SSL_get_wbio(client_.get()), record, sizeof record)) > 0) {
      (void)stream_.decrypt({record, static_cast<std::size_t>(size)}, plain_);
    }
  }
  EXPECT_LE(stream_.pending().size(), std::size_t{256} << 10);
}

}  // namespace
}  // namespace voicechan::server
