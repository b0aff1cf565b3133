#pragma once

#include <atomic>
#include <cstddef>
#include <utility>
#include <variant>

#include "client_address.hpp"
#include "counts.hpp"

namespace voicechan::server {

/// How many connections the process has, in total and by the network that they come from (see
/// `ClientAddress::network`). Thread-safe.
class ConnectionCounts {
 public:
  enum class Refusal {
    full,          ///< the process has as many as it may have
    address_full,  ///< the address has
  };

  /// One connection that is counted, until it is destroyed. One thread at a time.
  class Place {
   public:
    Place(Place&& other) noexcept
        : counts_(std::exchange(other.counts_, nullptr)), address_(other.address_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (counts_ != nullptr) counts_->remove(address_);
    }

    const ClientAddress& address() const noexcept { return address_; }

    /// Counts the connection as one of `address` from now on: a proxy said whose it is. False, and
    /// nothing changes, if that address has as many as it may have.
    [[nodiscard]] bool move_to(const ClientAddress& address) {
      if (address.network() != address_.network()) {
        if (!counts_->by_network_.try_add(address.network(), counts_->max_per_address_)) {
          return false;
        }
        counts_->by_network_.remove(address_.network());
      }
      address_ = address;
      return true;
    }

   private:
    friend class ConnectionCounts;
    Place(ConnectionCounts& counts, const ClientAddress& address) noexcept
        : counts_(&counts), address_(address) {}

    ConnectionCounts* counts_;
    ClientAddress address_;
  };

  ConnectionCounts(std::size_t max_in_total, std::size_t max_per_address) noexcept
      : max_in_total_(max_in_total), max_per_address_(max_per_address) {}

  /// Counts one more connection of `address`, or says why there is no place for it.
  std::variant<Place, Refusal> try_add(const ClientAddress& address) {
    if (total_.fetch_add(1) >= max_in_total_) {
      total_.fetch_sub(1);
      return Refusal::full;
    }
    if (!by_network_.try_add(address.network(), max_per_address_)) {
      total_.fetch_sub(1);
      return Refusal::address_full;
    }
    return Place(*this, address);
  }

 private:
  void remove(const ClientAddress& address) noexcept {
    by_network_.remove(address.network());
    total_.fetch_sub(1);
  }

  const std::size_t max_in_total_;
  const std::size_t max_per_address_;
  std::atomic<std::size_t> total_{0};
  Counts<ClientAddress, ClientAddress::Hash> by_network_;
};

}  // namespace voicechan::server
