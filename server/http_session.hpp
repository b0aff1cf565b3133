#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "authenticator.hpp"
#include "connection.hpp"
#include "handshake.hpp"
#include "http_codec.hpp"
#include "router.hpp"
#include "voicechan/result.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

/// HTTP on one connection: reads requests one at a time, has the REST API answer them on the pool,
/// and turns the connection into a WebSocket after a good handshake. For an operator's connection
/// it is other endpoints, see `AdminApi`.
class HttpSession final : public Protocol {
 public:
  enum class For { clients, operators };
  explicit HttpSession(Connection& connection, For whom = For::clients);
  ~HttpSession() override;

  void on_bytes(std::uint8_t* data, std::size_t size) override;
  MonotonicTime on_deadline(MonotonicTime now) override;
  void on_output_written() override;
  Use use() const noexcept override;
  void drain() override;
  std::string_view name() const noexcept override { return "http"; }

 private:
  /// What of a request is needed to frame its response.
  struct ResponseFraming {
    bool is_http_1_0 = false;
    bool keep_alive = false;
    bool is_head = false;
    bool is_preflight = false;
    std::optional<std::string> allowed_origin;  // of the page that asks
  };

  /// A good handshake whose group is being prepared.
  struct WaitingHandshake;

  WorkerCounters& counters() noexcept;
  void process(std::string_view input);
  /// Keeps what is to be read later. False if there is no memory for it: the connection is over.
  bool keep_unread(std::string_view input);
  void begin_request(HttpRequest request);
  bool identify_client(const HttpRequest& request);
  bool is_too_late() const noexcept;
  void begin_rest(const std::shared_ptr<const HttpRequest>& request, const Route& route,
                  NewUsers new_users);
  void begin_admin(const std::shared_ptr<const HttpRequest>& request, Route route);
  void begin_handshake(const HttpRequest& request, Route route);
  void identify(Handshake handshake, Route route, std::optional<std::string> key,
                NewUsers new_users);
  void on_identified(const Handshake& handshake, const Route& route, Result<Admission> admission);
  void open_websocket(const Handshake& handshake, const Route& route, Admission admission);
  /// Only a probe would have been answered.
  void refuse_full();
  void refuse_overload();
  void on_response(const HttpResponse& response);
  void respond(HttpResponse response);
  void write_response(HttpResponse response);
  void respond_to_failure(unsigned status, std::string_view detail);
  void resume();
  void update_deadline();

  Connection& connection_;
  const bool is_for_operators_;
  const ClientAddress peer_;
  const bool
      is_behind_proxy_;  // the peer is a trusted proxy, which says whose request it passes on
  HttpCodec codec_;
  std::string unread_;        // of requests behind the present one
  MemoryBudget::Share held_;  // of a request that is not answered, and of what is behind it
  ResponseFraming framing_;
  MonotonicTime deadline_;
  enum class Phase { fresh, idle, head, body } phase_ = Phase::fresh;
  bool is_busy_ = false;                       // a request is being answered
  std::unique_ptr<WaitingHandshake> waiting_;  // until its group is prepared
};

}  // namespace voicechan::server
