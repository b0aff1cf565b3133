#include "server.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <sstream>
#include <system_error>
#include <utility>

#include "spdlog/spdlog.h"
#include "voicechan/redis_channel_layer.hpp"

namespace voicechan::server {
namespace {

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
// Listings are apart from both: one of all channels takes long where there are many.
constexpr std::size_t kListingThreads = 2;
// For operators. Who asks how the server is has one that waits neither for workers nor the store.
constexpr std::size_t kAdminThreads = 2;
constexpr std::size_t kStatusThreads = 1;
constexpr std::size_t kMaxAdminRequests = 64;

/// Descriptors that are no clients': of the database, of event loops, of files that are read.
std::size_t descriptors_of_others(const ServerOptions& options) {
  constexpr std::size_t kPerWorker = 8;
  constexpr std::size_t kFiles = 48;
  constexpr std::size_t kOperators = 34;  // see Worker, and the listing of descriptors
  return kFiles + (options.admin_address.empty() ? 0 : kOperators) +
         kPerWorker * worker_count(options.workers) + ConnectionCounts::kMaxForProbes;
}

/// No more than there are descriptors for, since probes must be answered; and if that is the bound,
/// one address leaves some to others.
ConnectionCounts make_connection_counts(const ServerOptions& options) {
  rlimit limit{};
  const bool is_known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  const auto descriptors = static_cast<std::size_t>(limit.rlim_cur);
  const std::size_t others = descriptors_of_others(options);
  if (!is_known || descriptors >= options.max_connections + others) {
    return {options.max_connections, options.max_connections_per_address};
  }
  const std::size_t connections = descriptors > 2 * others ? descriptors - others : descriptors / 2;
  const std::size_t per_address =
      std::min(options.max_connections_per_address, connections - connections / 20);
  return {connections, per_address};
}

/// Throws what says which address it is that is not.
void check_is_free(const asio::ip::tcp::endpoint& endpoint) {
  try {
    check_address_is_free(endpoint);
  } catch (const std::system_error& error) {
    std::ostringstream what;
    what << "cannot listen on " << endpoint;
    throw std::system_error(error.code(), what.str());
  }
}

void log_failure(std::string_view what) { spdlog::error("a request failed inside: {}", what); }

std::unique_ptr<IceServers> make_ice_servers(const std::string& file) {
  if (file.empty()) return nullptr;
  return std::make_unique<IceServers>(file, system_clock());
}

std::unique_ptr<OperatorKey> make_operator_key(const std::string& file) {
  return file.empty() ? nullptr : std::make_unique<OperatorKey>(file);
}

std::unique_ptr<const StaticSite> make_site(const std::string& directory) {
  return directory.empty() ? nullptr : std::make_unique<const StaticSite>(directory);
}

/// Null: the server is alone.
const RedisBackplane* find_bus(const Backplane& backplane) {
  const auto* const layer = dynamic_cast<const RedisChannelLayer*>(&backplane);
  return dynamic_cast<const RedisBackplane*>(layer == nullptr ? &backplane : &layer->inner());
}

std::unique_ptr<JwtVerifier> make_jwt_verifier(const JwtOptions& options) {
  if (options.jwks_file.empty()) return nullptr;
  return std::make_unique<JwtVerifier>(options, system_clock());
}

}  // namespace

Server::Server(ServerOptions options, Store& store, std::unique_ptr<Backplane> backplane)
    : options_(std::move(options)),
      store_(store),
      backplane_(backplane != nullptr ? std::move(backplane)
                                      : std::make_unique<InProcessBackplane>(random_number())),
      directory_(store_, *backplane_, system_clock(), options_.quotas),
      ice_servers_(make_ice_servers(options_.ice_file)),
      flight_recorder_(system_clock()),
      operator_key_(make_operator_key(options_.operator_key_file)),
      traces_(flight_recorder_, backplane_->presence(), operator_key_.get()),
      jwt_(make_jwt_verifier(options_.jwt)),
      authenticator_(store_, jwt_.get(), options_.store_grace),
      key_guard_(options_.key_guard),
      connection_counts_(make_connection_counts(options_)),
      connection_rate_(options_.connections_per_second, options_.connection_burst),
      user_counts_(options_.users),
      origins_(options_.origins),
      site_(make_site(options_.www_directory)),
      rest_api_(directory_, store_, authenticator_, key_guard_, user_counts_,
                backplane_->voice_presence(), options_.hub.max_json_depth, ice_servers_.get(),
                &traces_),
      pool_(kReadingThreads, options_.max_waiting_requests, log_failure),
      listing_pool_(kListingThreads, options_.max_waiting_requests, log_failure),
      write_pool_(options_.blocking_threads, options_.max_waiting_requests, log_failure),
      missed_invitations_(MissedInvitations::watch(*backplane_, directory_, system_clock())) {
  endpoint_ = {asio::ip::make_address(options_.listen_address), options_.listen_port};
  check_is_free(endpoint_);
  const auto tls = load_tls(options_.tls);
  const unsigned workers = worker_count(options_.workers);
  if (!options_.admin_address.empty()) {
    admin_api_ = std::make_unique<AdminApi>(
        AdminApi::Sources{workers_, store_, key_guard_, *backplane_, operator_key_.get(), phase_,
                          options_.max_held_bytes, find_bus(*backplane_),
                          dynamic_cast<const RedisChannelLayer*>(backplane_.get())});
    admin_pool_ = std::make_unique<BlockingPool>(kAdminThreads, kMaxAdminRequests, log_failure);
    status_pool_ = std::make_unique<BlockingPool>(kStatusThreads, kMaxAdminRequests, log_failure);
  }
  const SharedServices services{options_,
                                *backplane_,
                                directory_,
                                missed_invitations_.get(),
                                rest_api_,
                                ice_servers_.get(),
                                flight_recorder_,
                                authenticator_,
                                pool_,
                                listing_pool_,
                                write_pool_,
                                connection_counts_,
                                connection_rate_,
                                user_counts_,
                                key_guard_,
                                origins_,
                                site_.get(),
                                phase_,
                                workers,
                                admin_api_.get(),
                                admin_pool_.get(),
                                status_pool_.get()};
  for (unsigned i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(services, endpoint_, tls));
    endpoint_ = workers_.front()->local_endpoint();
  }
  if (admin_api_ != nullptr) {
    const asio::ip::tcp::endpoint wanted(asio::ip::make_address(options_.admin_address),
                                         options_.admin_port);
    check_is_free(wanted);
    admin_endpoint_ = workers_.front()->listen_for_operators(wanted);
  }
  if (connection_counts_.max_in_total() < options_.max_connections) {
    spdlog::info("there are descriptors for {} connections, not for all of --max-connections",
                 connection_counts_.max_in_total());
  }
  try {
    for (const auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
    if (missed_invitations_ != nullptr) {
      missed_invitations_->start([this](UserId user, const MissedInvitations::Notices& notices) {
        for (const auto& worker : workers_) worker->deliver_missed(user, notices);
      });
    }
    watch_ = std::make_unique<CredentialWatch>(store_, authenticator_, ice_servers_.get(), [this] {
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
  if (missed_invitations_ != nullptr) missed_invitations_->stop();
  pool_.stop();
  listing_pool_.stop();
  write_pool_.stop();
  if (admin_pool_ != nullptr) admin_pool_->stop();
  if (status_pool_ != nullptr) status_pool_->stop();
}

void Server::stop() {
  if (threads_.empty()) return;
  const auto drained = std::make_shared<std::promise<void>>();
  drain([drained] { drained->set_value(); });
  (void)drained->get_future().wait_for(options_.drain_timeout);
  end();
}

}  // namespace voicechan::server
