// The records of an event file.
#include "io/event_file.h"

#include <gtest/gtest.h>

namespace circuitdiff {
namespace {

TEST(EventFile, ChecksumIsCastagnoli) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);            // the check value of CRC-32C
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
}

TEST(EventFile, RecordIsLengthChecksumDataChecksum) {
  const std::string record = tf_record("abc");
  ASSERT_EQ(record.size(), 8u + 4 + 3 + 4);
  EXPECT_EQ(record.substr(0, 8), std::string("\3\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(12, 3), "abc");
}

TEST(EventFile, ScalarsAreTaggedFloats) {
  const std::string event = scalar_event(1.0, 300, {{"loss", 0.5}});
  const std::string expected = std::string("\x09\0\0\0\0\0\0\xF0\x3F", 9) +
                               "\x10\xAC\x02" +  // time 1.0, step 300
                               std::string("\x2A\x0D\x0A\x0B\x0A\x04loss\x15\0\0\0\x3F", 15);
  EXPECT_EQ(event, expected);
}

}  // namespace
}  // namespace circuitdiff
