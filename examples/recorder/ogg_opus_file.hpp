#pragma once

#include <ogg/ogg.h>
#include <opus.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

/// An Ogg/Opus file (RFC 7845) of packets that have come one by one in real time. Positions are in
/// samples of 48 kHz from the beginning. What is missing between two packets becomes packets that
/// ask the decoder to conceal a loss (section 4.1): positions may not jump in such a file.
class OggOpusFile {
 public:
  OggOpusFile(const std::filesystem::path& path, int serial, std::string_view artist)
      : file_(path, std::ios::binary) {
    ogg_stream_init(&stream_, serial);
    std::string head = "OpusHead";
    head += '\x01';  // version
    head += '\x02';  // channels: a decoder makes two of one, and mixes nothing away
    append(head, kPreSkip, 2);
    append(head, 48'000, 4);  // of the source, for information
    head.append(3, '\0');     // gain, 2 bytes; channel mapping 0
    std::string tags = "OpusTags";
    append_text(tags, "voicechan recorder");
    append(tags, 1, 4);
    append_text(tags, "ARTIST=" + std::string(artist));
    add(head, 0);
    write_pages(ogg_stream_flush);  // a page of its own for each, by section 4
    add(tags, 0);
    write_pages(ogg_stream_flush);
  }
  OggOpusFile(const OggOpusFile&) = delete;
  OggOpusFile& operator=(const OggOpusFile&) = delete;

  /// Ends the file properly; one of a process that was killed lacks at most its last second.
  ~OggOpusFile() {
    if (!last_.empty()) add(last_, samples_of(last_), true);
    write_pages(ogg_stream_flush);
    ogg_stream_clear(&stream_);
  }

  /// Adds what was heard at `position`. Some jitter is let pass: what is a little early or late
  /// stands where the last packet ended. It must be an Opus packet.
  void write(const std::string& packet, std::int64_t position) {
    const std::string lost(1, static_cast<char>(packet[0] & 0xFC));  // one frame of zero bytes
    if (position - end_ > kMaxJitter)
      while (position - end_ >= samples_of(lost)) put(lost);
    put(packet);
  }

  static bool is_opus_packet(const std::string& bytes) { return samples_of(bytes) > 0; }
  bool is_good() const { return file_.good(); }

 private:
  static constexpr int kPreSkip = 312;  // what libopus is behind by, at any rate and in any mode
  static constexpr std::int64_t kMaxJitter = 48 * 60;
  static constexpr std::int64_t kPage = 48'000;

  static int samples_of(const std::string& packet) {
    return opus_packet_get_nb_samples(reinterpret_cast<const unsigned char*>(packet.data()),
                                      static_cast<opus_int32>(packet.size()), 48'000);
  }
  static void append(std::string& bytes, std::uint32_t number, int size) {
    for (; size > 0; --size, number >>= 8) bytes += static_cast<char>(number);
  }
  static void append_text(std::string& bytes, std::string_view text) {
    append(bytes, static_cast<std::uint32_t>(text.size()), 4);
    bytes += text;
  }

  /// Keeps a packet back until the next one comes, for the last of all has to be marked.
  void put(const std::string& packet) {
    if (!last_.empty()) add(last_, samples_of(last_));
    last_ = packet;
    end_ += samples_of(packet);
  }

  void add(const std::string& bytes, int samples, bool is_end = false) {
    ogg_packet packet{};
    packet.packet = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    packet.bytes = static_cast<long>(bytes.size());
    packet.b_o_s = number_ == 0 ? 1 : 0;
    packet.e_o_s = is_end ? 1 : 0;
    packet.granulepos = granule_ += samples;
    packet.packetno = number_++;
    ogg_stream_packetin(&stream_, &packet);
    if (granule_ - flushed_ >= kPage) write_pages(ogg_stream_flush);
    write_pages(ogg_stream_pageout);
  }

  void write_pages(int (*next)(ogg_stream_state*, ogg_page*)) {
    for (ogg_page page; next(&stream_, &page) != 0; flushed_ = granule_) {
      file_.write(reinterpret_cast<const char*>(page.header), page.header_len);
      file_.write(reinterpret_cast<const char*>(page.body), page.body_len);
    }
    file_.flush();
  }

  std::ofstream file_;
  ogg_stream_state stream_{};
  std::string last_;
  std::int64_t end_ = 0;      // of all packets
  std::int64_t granule_ = 0;  // without the last packet
  std::int64_t flushed_ = 0;
  std::int64_t number_ = 0;
};
