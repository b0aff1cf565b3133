#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
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
    too_often,     ///< the address connects faster than it may, see `AddressRate`
  };

  /// One connection that is counted, until it is destroyed. One thread at a time.
  class Place {
   public:
    Place(Place&& other) noexcept
        : counts_(std::exchange(other.counts_, nullptr)),
          address_(other.address_),
          is_for_probes_(other.is_for_probes_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (counts_ == nullptr) return;
      if (is_for_probes_) {
        counts_->for_probes_.fetch_sub(1);
      } else {
        counts_->remove(address_);
      }
    }

    /// It is one more than there may be, and to be used for a probe only.
    bool is_for_probes() const noexcept { return is_for_probes_; }

    const ClientAddress& address() const noexcept { return address_; }

    /// Counts the connection as one of `address` from now on: a proxy said whose it is. False, and
    /// nothing changes, if that address has as many as it may have.
    [[nodiscard]] bool move_to(const ClientAddress& address) {
      if (!is_for_probes_ && address.network() != address_.network()) {
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
    Place(ConnectionCounts& counts, const ClientAddress& address, bool is_for_probes) noexcept
        : counts_(&counts), address_(address), is_for_probes_(is_for_probes) {}

    ConnectionCounts* counts_;
    ClientAddress address_;
    bool is_for_probes_;
  };

  /// Beside those that there may be; so many probes may be under way at once.
  static constexpr std::size_t kMaxForProbes = 32;

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
    return Place(*this, address, false);
  }

  /// A place for a connection that `try_add` has refused, if there still are such.
  std::optional<Place> try_add_for_probes(const ClientAddress& address) {
    if (for_probes_.fetch_add(1) >= kMaxForProbes) {
      for_probes_.fetch_sub(1);
      return std::nullopt;
    }
    return Place(*this, address, true);
  }

  std::size_t max_in_total() const noexcept { return max_in_total_; }

 private:
  void remove(const ClientAddress& address) noexcept {
    by_network_.remove(address.network());
    total_.fetch_sub(1);
  }

  const std::size_t max_in_total_;
  const std::size_t max_per_address_;
  std::atomic<std::size_t> total_{0};
  std::atomic<std::size_t> for_probes_{0};
  Counts<ClientAddress, ClientAddress::Hash> by_network_;
};

}  // namespace voicechan::server
