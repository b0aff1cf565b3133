#include "credential_watch.hpp"

#include <chrono>
#include <exception>
#include <utility>

#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

constexpr std::chrono::milliseconds kInterval{250};
constexpr unsigned kLooksPerFileCheck = 4;

}  // namespace

CredentialWatch::CredentialWatch(Store& store, Authenticator& authenticator,
                                 IceServers* ice_servers, std::function<void()> on_revoked)
    : store_(&store),
      authenticator_(&authenticator),
      ice_servers_(ice_servers),
      on_revoked_(std::move(on_revoked)) {
  thread_ = std::thread([this] { run(); });
}

CredentialWatch::~CredentialWatch() {
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void CredentialWatch::run() {
  for (;;) {
    look();
    const auto next = std::chrono::steady_clock::now() + kInterval;
    const MutexLock lock(mutex_);
    while (!is_stopping_ && wake_.wait_until(mutex_, next)) {
    }
    if (is_stopping_) return;
  }
}

void CredentialWatch::look() noexcept {
  try {
    look_for_revocations();
    if (looks_++ % kLooksPerFileCheck == 0) look_for_files();
  } catch (const std::exception& error) {
    spdlog::error("looking for revoked credentials failed inside: {}", error.what());
  }
}

void CredentialWatch::look_for_files() {
  authenticator_->reload_keys();
  if (ice_servers_ != nullptr) ice_servers_->reload_if_changed();
}

void CredentialWatch::look_for_revocations() {
  const auto count = store_->count_revocations();
  std::error_code failure = count.error();
  if (count && count.value() != checked_count_) {
    const auto outcome = authenticator_->check_live_credentials();
    failure = outcome.failure;
    if (!failure) checked_count_ = *count;
    if (outcome.revoked > 0) {
      spdlog::info("{} live credentials have been revoked", outcome.revoked);
      on_revoked_();
    }
  }
  if (failure && !std::exchange(has_failed_, true)) {
    spdlog::error("cannot look for revoked credentials: {}", failure.message());
  }
  if (failure) return;
  has_failed_ = false;
  authenticator_->on_revocations_known();
}

}  // namespace voicechan::server
