// The zip container: what is written is read back, and damaged or forged archives are one clear error.
#include "io/zip.h"

#include <gmock/gmock.h>

#include "base/random.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::slurp;
using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;

ZipFile open_zip(const std::filesystem::path& path) {
  return {MappedFile(path), path.string(), "an archive of arrays"};
}

// Made by Python: zipfile.ZipFile(f, "w", ZIP_DEFLATED).writestr("a.npy", b"abc" * 100)
const std::string kDeflated(
    "\x50\x4b\x03\x04\x14\x00\x00\x00\x08\x00\x00\x00\x21\x00\x84\xb8\xc4\xd0\x09\x00\x00\x00\x2c\x01\x00\x00"
    "\x05"
    "\x00\x00\x00\x61\x2e\x6e\x70\x79\x4b\x4c\x4a\x4e\x1c\x45\xc4\x21\x00\x50\x4b\x01\x02\x14\x03\x14\x00\x00"
    "\x00\x08"
    "\x00\x00\x00\x21\x00\x84\xb8\xc4\xd0\x09\x00\x00\x00\x2c\x01\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00"
    "\x00\x80\x01\x00\x00\x00\x00\x61\x2e\x6e\x70\x79\x50\x4b\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00\x33\x00"
    "\x00\x00\x2c"
    "\x00\x00\x00\x00\x00",
    117);

TEST(Zip, WhatIsWrittenIsReadBackAndTheSameMembersGiveTheSameBytes) {
  const TempFolder folder;
  std::string noise;
  Philox random(3);
  for (int i = 0; i < 100000; ++i) noise.push_back(static_cast<char>(random.below(256)));
  const std::vector<ZipMember> members{{"a.npy", "abc"}, {"empty", ""}, {"b/c", noise}};
  write_zip(folder / "x.zip", members);
  const ZipFile zip = open_zip(folder / "x.zip");
  EXPECT_THAT(zip.names(), ElementsAre("a.npy", "b/c", "empty"));
  for (const auto& member : members) EXPECT_EQ(zip.read(member.name), member.content);
  write_zip(folder / "y.zip", members);
  EXPECT_EQ(slurp(folder / "x.zip"), slurp(folder / "y.zip"));
  EXPECT_THAT(error_of([&] { zip.read("d"); }), HasSubstr("no member \"d\" in it"));
}

TEST(Zip, ReadsDeflatedMembers) {
  const TempFolder folder;
  folder.write("x.zip", kDeflated);
  std::string wanted;
  for (int i = 0; i < 100; ++i) wanted += "abc";
  EXPECT_EQ(open_zip(folder / "x.zip").read("a.npy"), wanted);
}

TEST(Zip, StoredMembersAreMappedAndOthersAreNot) {
  const TempFolder folder;
  write_zip(folder / "x.zip", {{"a", "abc"}});
  const ZipFile zip = open_zip(folder / "x.zip");
  const auto bytes = zip.mapped("a");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "abc");
  folder.write("y.zip", kDeflated);
  EXPECT_THAT(error_of([&] { open_zip(folder / "y.zip").mapped("a.npy"); }),
              HasSubstr("y.zip: member \"a.npy\" is compressed or encrypted"));
}

TEST(Zip, AForgedSizeTakesNoMemory) {
  const TempFolder folder;
  std::string forged = kDeflated;
  const size_t size = forged.find("PK\x01\x02") + 24;
  forged.replace(size, 4, std::string("\xf0\xff\xff\x7f", 4));
  folder.write("x.zip", forged);
  EXPECT_THAT(error_of([&] { open_zip(folder / "x.zip").read("a.npy"); }), HasSubstr("cannot come of"));
}

TEST(Zip, WhatIsNoZipFileIsSaid) {
  const TempFolder folder;
  for (const std::string& text : {std::string(), std::string("PK"), std::string(70000, 'x')}) {
    folder.write("x.zip", text);
    EXPECT_THAT(error_of([&] { open_zip(folder / "x.zip"); }),
                HasSubstr("no zip file (an archive of arrays expected)"));
  }
}

TEST(Zip, EveryDamagedByteIsReadOrRefused) {
  const TempFolder folder;
  const std::string payload = "0123456789abcdef";
  write_zip(folder / "x.zip", {{"a", payload}, {"b", payload}});
  const std::string whole = slurp(folder / "x.zip");
  size_t refused = 0;
  const auto attempt = [&](const std::string& bytes) {
    folder.write("y.zip", bytes);
    try {
      const ZipFile zip = open_zip(folder / "y.zip");
      for (const std::string& name : zip.names()) EXPECT_EQ(zip.read(name), payload);
    } catch (const Error&) {
      ++refused;
    }
  };
  for (size_t i = 0; i < whole.size(); ++i)
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      attempt(bytes);
    }
  EXPECT_GT(refused, whole.size());
  for (size_t n = 0; n < whole.size(); ++n) attempt(whole.substr(0, n));
}

TEST(Zip, TwoMembersOfOneNameAreRefused) {
  const TempFolder folder;
  EXPECT_THAT(error_of([&] {
                write_zip(folder / "x.zip", {{"a", ""}, {"a", ""}});
              }),
              HasSubstr("\"a\" given twice"));
  EXPECT_FALSE(std::filesystem::exists(folder / "x.zip"));
}

}  // namespace
}  // namespace circuitdiff
