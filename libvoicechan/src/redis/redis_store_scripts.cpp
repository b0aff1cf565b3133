#include "redis/redis_store_scripts.hpp"

#include <openssl/evp.h>

#include <array>
#include <new>

#include "redis/hex.hpp"

namespace voicechan::redis {
namespace {

std::string sha1_of(std::string_view text) {
  std::array<unsigned char, 20> digest{};
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  return to_hex(digest);
}

/// Defines `keep_received(meta, invitations, prefix)`: puts invitations into the sets of their
/// addressees, a thousand at most. Gives whether all are there.
constexpr std::string_view kKeepReceived = R"lua(
    local function keep_received(meta, invitations, prefix)
      local kept = redis.call('HGET', meta, 'received') or '0'
      local last = redis.call('HGET', meta, 'invitation') or '0'
      if kept == last then return true end
      local page = redis.call('ZRANGEBYSCORE', invitations, '(' .. kept, '+inf', 'LIMIT', 0, 1000)
      for _, record in ipairs(page) do
        local id, addressee = string.match(record, '^(%d+) %d+ (%d+) ')
        if id then
          redis.call('ZADD', prefix .. addressee, id, id)
          kept = id
        end
      end
      if #page < 1000 then kept = last end
      redis.call('HSET', meta, 'received', kept)
      return kept == last
    end
)lua";

}  // namespace

Script::Script(std::string_view text) : text_(text), sha1_(sha1_of(text)) {}

namespace script {

// A script runs to its first change before it changes anything: Redis refuses changes (no memory,
// no replicas, a full disk) at the first one or not at all.

// Makes an empty database a store. KEYS: meta, users, channels. ARGV: format, a new id.
// Gives {format, id, import}.
const Script& prepare() {
  static const Script kScript(R"lua(
    local meta = redis.call('HMGET', KEYS[1], 'format', 'id', 'import')
    if meta[1] then return meta end
    if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then
      return redis.status_reply('store_corrupt')
    end
    redis.call('HSET', KEYS[1], 'format', ARGV[1], 'id', ARGV[2])
    return {ARGV[1], ARGV[2], false}
  )lua");
  return kScript;
}

// KEYS: meta, channels, channel totals. ARGV: creator, created, quota or "", name. Gives the id.
const Script& create_channel() {
  static const Script kScript(R"lua(
    if ARGV[3] ~= '' and
       tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0') >= tonumber(ARGV[3]) then
      return redis.status_reply('quota_exceeded')
    end
    local id = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'channel', 1))
    redis.call('ZADD', KEYS[2], id, id .. ' ' .. ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[4])
    redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
    return id
  )lua");
  return kScript;
}

// KEYS: meta, channels, users, invitations, invitation totals, what names of sets of received
// invitations begin with. ARGV: channel, addressee, inviter, created, status, quota or "". Gives
// {id, the channel's record}.
const Script& create_invitation() {
  static const Script kScript(std::string(kKeepReceived) + R"lua(
    local channel = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], ARGV[1])[1]
    if not channel then return redis.status_reply('unknown_channel') end
    if redis.call('ZCOUNT', KEYS[3], ARGV[2], ARGV[2]) == 0 then
      return redis.status_reply('unknown_user')
    end
    if ARGV[6] ~= '' and
       tonumber(redis.call('HGET', KEYS[5], ARGV[3]) or '0') >= tonumber(ARGV[6]) then
      return redis.status_reply('quota_exceeded')
    end
    local id = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'invitation', 1))
    redis.call('ZADD', KEYS[4], id, table.concat(
        {id, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]}, ' '))
    redis.call('HINCRBY', KEYS[5], ARGV[3], 1)
    keep_received(KEYS[1], KEYS[4], KEYS[6])
    return {id, channel}
  )lua");
  return kScript;
}

// KEYS: meta, invitations, channels, users, what names of sets of received invitations begin with.
// ARGV: addressee, the least and the greatest id as ZREVRANGEBYSCORE takes them, how many. Gives
// for each, the newest first: its record, its channel's, and its inviter's or "". Or 1: not all
// invitations are in the sets yet, ask again.
const Script& list_invitations() {
  static const Script kScript(std::string(kKeepReceived) + R"lua(
    if not keep_received(KEYS[1], KEYS[2], KEYS[5]) then return 1 end
    local function find(key, id)
      return redis.call('ZRANGEBYSCORE', key, id, id)[1] or ''
    end
    local list = {}
    for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[5] .. ARGV[1], ARGV[3], ARGV[2],
                                   'LIMIT', 0, ARGV[4])) do
      local record = find(KEYS[2], id)
      local channel, inviter = string.match(record, '^%d+ (%d+) %d+ (%d+) ')
      list[#list + 1] = record
      list[#list + 1] = find(KEYS[3], channel or '0')
      list[#list + 1] = find(KEYS[4], inviter or '0')
    end
    return list
  )lua");
  return kScript;
}

// KEYS: meta, users, user names, user keys. ARGV: name, key digest. Gives the id.
const Script& create_user() {
  static const Script kScript(R"lua(
    if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 or
       redis.call('HEXISTS', KEYS[4], ARGV[2]) == 1 then
      return redis.status_reply('user_exists')
    end
    local id = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'user', 1))
    redis.call('ZADD', KEYS[2], id, id .. ' ' .. ARGV[2] .. ' ' .. ARGV[1])
    redis.call('HSET', KEYS[3], ARGV[1], id)
    redis.call('HSET', KEYS[4], ARGV[2], id)
    return id
  )lua");
  return kScript;
}

// KEYS: meta, users, user names, user keys. ARGV: name, key digest. Gives the id.
const Script& replace_user_key() {
  static const Script kScript(R"lua(
    local id = redis.call('HGET', KEYS[3], ARGV[1])
    if not id then return redis.status_reply('unknown_user') end
    local owner = redis.call('HGET', KEYS[4], ARGV[2])
    if owner == id then return id end
    if owner then return redis.status_reply('user_exists') end
    local record = redis.call('ZRANGEBYSCORE', KEYS[2], id, id)[1]
    if not record then return redis.status_reply('store_corrupt') end
    redis.call('HDEL', KEYS[4], string.sub(record, #id + 2, #id + 65))
    redis.call('ZREM', KEYS[2], record)
    redis.call('ZADD', KEYS[2], id, id .. ' ' .. ARGV[2] .. ' ' .. ARGV[1])
    redis.call('HSET', KEYS[4], ARGV[2], id)
    redis.call('HINCRBY', KEYS[1], 'revocations', 1)
    return id
  )lua");
  return kScript;
}

// KEYS: meta, users, user names, user keys. ARGV: name. Gives the id.
const Script& remove_user() {
  static const Script kScript(R"lua(
    local id = redis.call('HGET', KEYS[3], ARGV[1])
    if not id then return redis.status_reply('unknown_user') end
    local record = redis.call('ZRANGEBYSCORE', KEYS[2], id, id)[1]
    if not record then return redis.status_reply('store_corrupt') end
    redis.call('HDEL', KEYS[4], string.sub(record, #id + 2, #id + 65))
    redis.call('HDEL', KEYS[3], ARGV[1])
    redis.call('ZREM', KEYS[2], record)
    redis.call('HINCRBY', KEYS[1], 'revocations', 1)
    return id
  )lua");
  return kScript;
}

// KEYS: users, and user names or user keys. ARGV: name or key digest. Gives the user's record.
const Script& find_user() {
  static const Script kScript(R"lua(
    local id = redis.call('HGET', KEYS[2], ARGV[1])
    if not id then return redis.status_reply('unknown_user') end
    return redis.call('ZRANGEBYSCORE', KEYS[1], id, id)[1] or redis.status_reply('store_corrupt')
  )lua");
  return kScript;
}

// KEYS: meta, revoked, revoked by time. ARGV: token id, until, revoked, and until of the oldest to
// be kept. Gives until, as it is now.
const Script& revoke_token() {
  static const Script kScript(R"lua(
    local old = redis.call('HGET', KEYS[2], ARGV[1])
    if old then
      local before = string.sub(old, 1, 20)
      if before >= ARGV[2] then return before end
      redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. string.sub(old, 21))
      redis.call('ZREM', KEYS[3], before .. ARGV[1])
      redis.call('ZADD', KEYS[3], 0, ARGV[2] .. ARGV[1])
      return ARGV[2]
    end
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
    redis.call('ZADD', KEYS[3], 0, ARGV[2] .. ARGV[1])
    redis.call('HINCRBY', KEYS[1], 'revocations', 1)
    for _, member in ipairs(redis.call('ZRANGEBYLEX', KEYS[3], '-', '(' .. ARGV[4])) do
      redis.call('HDEL', KEYS[2], string.sub(member, 21))
      redis.call('ZREM', KEYS[3], member)
    end
    return ARGV[2]
  )lua");
  return kScript;
}

// Makes room for an import, unless there is a store with something in it. KEYS: meta, then all
// others. ARGV: format, a new id, what marks the import, then user, channel, invitation and
// revocations of meta.
const Script& begin_import() {
  static const Script kScript(R"lua(
    local meta = redis.call('HMGET', KEYS[1], 'import', 'user', 'channel', 'invitation',
                            'revocations')
    local has_given = meta[2] or meta[3] or meta[4] or meta[5]
    if has_given and not meta[1] then return redis.status_reply('store_corrupt') end
    redis.call('HSET', KEYS[1], 'format', ARGV[1], 'id', ARGV[2], 'import', ARGV[3],
               'user', ARGV[4], 'channel', ARGV[5], 'invitation', ARGV[6],
               'revocations', ARGV[7])
    redis.call('HDEL', KEYS[1], 'received')
    for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
    return 1
  )lua");
  return kScript;
}

// KEYS: meta. ARGV: what marks the import.
const Script& finish_import() {
  static const Script kScript(R"lua(
    if redis.call('HGET', KEYS[1], 'import') ~= ARGV[1] then
      return redis.status_reply('store_locked')
    end
    redis.call('HDEL', KEYS[1], 'import')
    return 1
  )lua");
  return kScript;
}

}  // namespace script
}  // namespace voicechan::redis
