#include "server.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

std::uint64_t random_node() {
  std::uint64_t node = 0;
  system_random().fill(&node, sizeof node);
  return node;
}

std::shared_ptr<const TlsContext> load_tls(const TlsFiles& files) {
  if (!files.is_given()) return nullptr;
  auto tls = TlsContext::load(files);
  if (!tls->warning().empty()) spdlog::warn("{}", tls->warning());
  return tls;
}

unsigned worker_count(unsigned wanted) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  return std::min<unsigned>(wanted == 0 ? cores : wanted, InProcessBackplane::kMaxHubs);
}

// Reads work on the page cache, so that a few threads do for any number of requests. They are apart
// from writes: were all threads to wait for a lock or a slow disk, nobody could even connect.
constexpr std::size_t kReadingThreads = 8;

void log_failure(std::string_view what) { spdlog::error("a request failed inside: {}", what); }
std::unique_ptr<JwtVerifier> make_jwt_verifier(const JwtOptions& options) {
  if (options.jwks_file.empty()) return nullptr;
  return std::make_unique<JwtVerifier>(options, system_clock());
}

}  // namespace

Server::Server(ServerOptions options, Store& store)
    : options_(std::move(options)),
      backplane_(random_node()),
      directory_(store, backplane_, system_clock()),
      jwt_(make_jwt_verifier(options_.jwt)),
      authenticator_(store, jwt_.get()),
      key_guard_(options_.key_guard),
      connection_counts_(options_.max_connections, options_.max_connections_per_address),
      user_counts_(options_.users),
      origins_(options_.origins),
      rest_api_(directory_, store, authenticator_, key_guard_, user_counts_,
                options_.hub.max_json_depth),
      pool_(kReadingThreads, options_.max_waiting_requests, log_failure),
      write_pool_(options_.blocking_threads, options_.max_waiting_requests, log_failure) {
  endpoint_ = {asio::ip::make_address(options_.listen_address), options_.listen_port};
  check_address_is_free(endpoint_);
  const auto tls = load_tls(options_.tls);
  const SharedServices services{
      options_,           backplane_,   rest_api_,  authenticator_, pool_, write_pool_,
      connection_counts_, user_counts_, key_guard_, origins_,       phase_};
  for (unsigned i = 0; i < worker_count(options_.workers); ++i) {
    workers_.push_back(std::make_unique<Worker>(services, endpoint_, tls));
    endpoint_ = workers_.front()->local_endpoint();
  }
  try {
    for (const auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
    watch_ = std::make_unique<CredentialWatch>(store, authenticator_, [this] {
      for (const auto& worker : workers_) worker->request_close_of_revoked();
    });
  } catch (...) {
    end();
    throw;
  }
}

void Server::reload_tls() {
  const auto tls = load_tls(options_.tls);
  for (const auto& worker : workers_) worker->replace_tls(tls);
}

Server::~Server() { end(); }

void Server::withdraw() { phase_ = ServicePhase::withdrawn; }

void Server::drain(std::function<void()> on_end) {
  phase_ = ServicePhase::draining;
  const auto drain = std::make_shared<Drain>(workers_.size(), std::move(on_end));
  for (const auto& worker : workers_) worker->request_drain(drain);
}

void Server::resume() {
  phase_ = ServicePhase::serving;
  for (const auto& worker : workers_) worker->request_resume();
}

void Server::end() {
  if (threads_.empty()) return;
  phase_ = ServicePhase::ended;
  for (const auto& worker : workers_) worker->request_end();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  watch_.reset();
  pool_.stop();
  write_pool_.stop();
}

void Server::stop() {
  if (threads_.empty()) return;
  const auto drained = std::make_shared<std::promise<void>>();
  drain([drained] { drained->set_value(); });
  (void)drained->get_future().wait_for(options_.drain_timeout);
  end();
}

}  // namespace voicechan::server
