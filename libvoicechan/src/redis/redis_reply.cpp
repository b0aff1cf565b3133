#include "redis/redis_reply.hpp"

#include <hiredis/hiredis.h>

#include <new>
#include <utility>

namespace voicechan::redis {
namespace {

// What a caller may feed beside the rest of a reply that is as large as it may be.
constexpr std::size_t kSlackBytes = std::size_t{256} << 10;
constexpr const char* kTooLarge = "a reply is too large";

RedisReply::Type to_type(int type) {
  switch (type) {
    case REDIS_REPLY_STATUS:
      return RedisReply::Type::status;
    case REDIS_REPLY_ERROR:
      return RedisReply::Type::error;
    default:
      return RedisReply::Type::string;
  }
}

}  // namespace

// The reply that hiredis' reader is at. Its objects are places in `root`, so that nothing but the
// root has an owner and each array is allocated once.
struct RedisReplyReader::Building {
  RedisReply root;
  std::size_t bytes = 0;
  std::size_t elements = 0;
  RedisReplyLimits limits;
};

// What hiredis calls: C, so no exception may leave; null is "out of memory" to it.
struct RedisReplyReader::Functions {
  static RedisReply* place(const redisReadTask* task) {
    auto& building = *static_cast<Building*>(task->privdata);
    if (task->parent == nullptr) {
      building.root = {};
      building.bytes = 0;
      building.elements = 0;
      return &building.root;
    }
    auto& parent = *static_cast<RedisReply*>(task->parent->obj);
    return &parent.elements[static_cast<std::size_t>(task->idx)];
  }

  static void* create_string(const redisReadTask* task, char* bytes, std::size_t size) {
    try {
      RedisReply* const reply = place(task);
      auto& building = *static_cast<Building*>(task->privdata);
      if (size > building.limits.max_bytes - building.bytes) return nullptr;
      building.bytes += size;
      reply->text.assign(bytes, size);
      reply->type = to_type(task->type);
      return reply;
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  static void* create_array(const redisReadTask* task, int size) {
    try {
      RedisReply* const reply = place(task);
      auto& building = *static_cast<Building*>(task->privdata);
      const auto count = static_cast<std::size_t>(size);
      if (count > building.limits.max_elements - building.elements) return nullptr;
      building.elements += count;
      reply->elements.resize(count);
      reply->type = RedisReply::Type::array;
      return reply;
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  static void* create_integer(const redisReadTask* task, long long value) {
    RedisReply* const reply = place(task);
    reply->integer = value;
    reply->type = RedisReply::Type::integer;
    return reply;
  }

  static void* create_nil(const redisReadTask* task) { return place(task); }

  static void free_object(void*) {}
};

void RedisReplyReader::Free::operator()(redisReader* reader) const { redisReaderFree(reader); }

RedisReplyReader::RedisReplyReader(const RedisReplyLimits& limits)
    : building_(std::make_unique<Building>()) {
  static redisReplyObjectFunctions functions{&Functions::create_string, &Functions::create_array,
                                             &Functions::create_integer, &Functions::create_nil,
                                             &Functions::free_object};
  building_->limits = limits;
  reader_.reset(redisReaderCreateWithFunctions(&functions));
  if (!reader_) throw std::bad_alloc();
  reader_->privdata = building_.get();
}

RedisReplyReader::~RedisReplyReader() = default;

void RedisReplyReader::feed(std::string_view bytes) {
  if (!error_.empty() || bytes.empty()) return;
  // Whole replies have been taken out, so what is held is the beginning of one.
  if (reader_->len - reader_->pos + bytes.size() > building_->limits.max_bytes + kSlackBytes) {
    error_ = kTooLarge;
  } else if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK) {
    error_ = reader_->errstr;
  }
}

std::optional<RedisReply> RedisReplyReader::next() {
  if (!error_.empty()) return std::nullopt;
  void* reply = nullptr;
  if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) {
    error_ = reader_->err == REDIS_ERR_OOM ? kTooLarge : reader_->errstr;
    return std::nullopt;
  }
  if (reply == nullptr) return std::nullopt;
  return std::exchange(building_->root, {});
}

void append_command(std::string& out, const std::vector<std::string_view>& arguments) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  texts.reserve(arguments.size());
  sizes.reserve(arguments.size());
  for (const std::string_view argument : arguments) {
    texts.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  char* command = nullptr;
  const int size = redisFormatCommandArgv(&command, static_cast<int>(arguments.size()),
                                          texts.data(), sizes.data());
  if (size < 0) throw std::bad_alloc();
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owner(command, redisFreeCommand);
  out.append(command, static_cast<std::size_t>(size));
}

}  // namespace voicechan::redis
