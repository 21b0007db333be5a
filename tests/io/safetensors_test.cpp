// The safetensors format: what is written is read back, and every forged
// number of a header is one clear Error.
#include "io/safetensors.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "io/json.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using testing::HasSubstr;

template <class T>
std::span<const std::byte> raw(const std::vector<T>& values) {
  return std::as_bytes(std::span<const T>(values));
}

std::string file_of(const std::string& header, size_t data_size) {
  const uint64_t length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + header + std::string(data_size, '\0');
}

std::string open_error(const std::string& content) {
  const test::TempFolder folder;
  const auto path = folder.write("t.safetensors", content);
  return error_of([&] { SafetensorsFile file(path); });
}

TEST(Safetensors, WhatIsWrittenIsReadBack) {
  const test::TempFolder folder;
  const std::vector<double> f64{1.5, -0.0, 1e300};
  const std::vector<float> f32{0.1f, 2.0f, 3.0f, 4.0f};
  const std::vector<int64_t> i64{-1, INT64_MAX};
  const std::vector<uint8_t> u8{0, 255};
  const std::vector<uint8_t> none;
  const auto path = folder / "t.safetensors";
  write_safetensors(path,
                    {{"d", TensorType::f64, {3}, raw(f64)},
                     {"f", TensorType::f32, {2, 2}, raw(f32)},
                     {"i", TensorType::i64, {2, 1}, raw(i64)},
                     {"u", TensorType::u8, {2}, raw(u8)},
                     {"empty", TensorType::f32, {0, 7}, raw(none)},
                     {"scalar", TensorType::u8, {}, raw(u8).subspan(0, 1)}},
                    {{"kind", "a \"test\"\n"}});
  const SafetensorsFile file(path);
  EXPECT_EQ(file.tensors().size(), 6u);
  EXPECT_EQ(file.doubles("d"), f64);
  EXPECT_TRUE(std::signbit(file.doubles("d")[1]));
  EXPECT_EQ(file.doubles("f")[0], static_cast<double>(0.1f));
  EXPECT_EQ(file.integers("i"), i64);
  EXPECT_EQ(file.integers("u"), (std::vector<int64_t>{0, 255}));
  EXPECT_TRUE(file.doubles("empty").empty());
  EXPECT_EQ(file.at("scalar").numel(), 1);
  EXPECT_EQ(file.at("f").shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(file.metadata().at("kind"), "a \"test\"\n");
  EXPECT_EQ(file.find("no"), nullptr);
}

TEST(Safetensors, TheHeaderIsPaddedToEightBytesAndTheSameInputGivesTheSameBytes) {
  const test::TempFolder folder;
  const std::vector<float> x{1, 2, 3};
  for (const char* name : {"a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh"}) {
    write_safetensors(folder / "1", {{name, TensorType::f32, {3}, raw(x)}}, {{"m", "x"}});
    write_safetensors(folder / "2", {{name, TensorType::f32, {3}, raw(x)}}, {{"m", "x"}});
    const std::string bytes = test::slurp(folder / "1");
    EXPECT_EQ(bytes, test::slurp(folder / "2"));
    uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    EXPECT_EQ(length % 8, 0u) << name;
    EXPECT_EQ(bytes.size(), 8 + length + 12);
  }
}

TEST(Safetensors, MetadataThatIsNotUtf8CanBeWritten) {
  const test::TempFolder folder;
  write_safetensors(folder / "t", {}, {{"model", "caf\xe9"}});
  EXPECT_EQ(SafetensorsFile(folder / "t").metadata().at("model"), "caf\xef\xbf\xbd");
}

TEST(Safetensors, WritingChecksShapesAndNames) {
  const test::TempFolder folder;
  const std::vector<float> x{1, 2, 3};
  EXPECT_THAT(error_of([&] {
                write_safetensors(folder / "t", {{"x", TensorType::f32, {4}, raw(x)}});
              }),
              HasSubstr("tensor \"x\": its shape needs 16 bytes, 12 given"));
  EXPECT_THAT(error_of([&] {
                write_safetensors(folder / "t",
                                  {{"x", TensorType::f32, {3}, raw(x)}, {"x", TensorType::f32, {3}, raw(x)}});
              }),
              HasSubstr("tensor \"x\" given twice"));
  EXPECT_FALSE(std::filesystem::exists(folder / "t"));
}

TEST(Safetensors, TensorsMayBeGivenInPieces) {
  const test::TempFolder folder;
  const std::vector<float> x{1, 2, 3};
  const std::vector<TensorOutline> outlines{{"x", TensorType::f32, {3}}, {"y", TensorType::f32, {0}}};
  write_safetensors(folder / "t", outlines, [&](size_t i, const AppendBytes& append) {
    for (size_t k = 0; i == 0 && k < x.size(); ++k) append(&x[k], 4);
  });
  EXPECT_EQ(SafetensorsFile(folder / "t").doubles("x"), (std::vector<double>{1, 2, 3}));
  EXPECT_THAT(error_of([&] {
                write_safetensors(folder / "u", outlines,
                                  [&](size_t, const AppendBytes& append) { append(x.data(), 8); });
              }),
              HasSubstr("tensor \"x\": its shape needs 12 bytes, 8 given"));
  EXPECT_FALSE(std::filesystem::exists(folder / "u"));
}

// Bit patterns and values from IEEE 754 binary16: zero, one, largest, smallest normal,
// smallest subnormal, 1/3, infinity.
TEST(Safetensors, HalfPrecisionWidensExactly) {
  const test::TempFolder folder;
  const std::vector<uint16_t> f16{0x0000, 0x3c00, 0x7bff, 0x0400, 0x0001, 0x3555, 0xc000, 0x7c00, 0x8000};
  const std::vector<uint16_t> bf16{0x3f80, 0xbfc0, 0x0001, 0x7f7f};
  write_safetensors(folder / "t",
                    {{"f16", TensorType::f16, {9}, raw(f16)}, {"bf16", TensorType::bf16, {4}, raw(bf16)}});
  const SafetensorsFile file(folder / "t");
  EXPECT_EQ(file.doubles("f16"), (std::vector<double>{0, 1, 65504, std::ldexp(1, -14), std::ldexp(1, -24),
                                                      1365.0 / 4096, -2, INFINITY, -0.0}));
  EXPECT_EQ(file.doubles("bf16"), (std::vector<double>{1, -1.5, std::ldexp(1, -133), std::ldexp(255, 120)}));
}

TEST(Safetensors, EveryHalfPatternWidensAsItsDefinitionSays) {
  const test::TempFolder folder;
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  write_safetensors(folder / "t", {{"h", TensorType::f16, {65536}, raw(all)}});
  const auto values = SafetensorsFile(folder / "t").doubles("h");
  for (size_t i = 0; i < all.size(); ++i) {
    const int exponent = static_cast<int>(i >> 10) & 31;
    const double fraction = static_cast<double>(i & 1023) / 1024;
    const double sign = i & 0x8000 ? -1 : 1;
    if (exponent == 31 && fraction > 0) {
      EXPECT_TRUE(std::isnan(values[i]));
    } else {
      const double expected = exponent == 31  ? sign * INFINITY
                              : exponent == 0 ? sign * fraction * std::pow(2, -14)
                                              : sign * (1 + fraction) * std::pow(2, exponent - 15);
      ASSERT_EQ(values[i], expected) << i;
    }
  }
}

TEST(Safetensors, WrongKindsAreNamed) {
  const test::TempFolder folder;
  const auto path = folder.write("t", file_of(R"({"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},
    "f":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"q":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[12,15]}})",
                                              15));
  const SafetensorsFile file(path);
  EXPECT_EQ(file.at("q").type, TensorType::other);
  EXPECT_THAT(error_of([&] { file.doubles("i"); }),
              HasSubstr("tensor \"i\": F64, F32, F16 or BF16 expected, \"I64\" found"));
  EXPECT_THAT(error_of([&] { file.doubles("q"); }),
              HasSubstr("F64, F32, F16 or BF16 expected, \"F8_E4M3\" found"));
  EXPECT_THAT(error_of([&] { file.integers("f"); }),
              HasSubstr("tensor \"f\": an integer type expected, \"F32\" found"));
  EXPECT_THAT(error_of([&] { file.doubles("none"); }), HasSubstr("tensor \"none\" is missing"));
}

struct BadHeader {
  const char* name;
  std::string content;
  const char* expected;
};

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets, size_t data) {
  return file_of("{\"x\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}",
                 data);
}
std::string two(const std::string& first, const std::string& second, size_t data) {
  return file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
                     R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}",
                 data);
}
std::string forged_length(uint64_t length) {
  std::string out = file_of("{}", 0);
  std::memcpy(out.data(), &length, 8);
  return out;
}

class SafetensorsErrors : public testing::TestWithParam<BadHeader> {};

TEST_P(SafetensorsErrors, AreOneClearLine) {
  const std::string message = open_error(GetParam().content);
  EXPECT_THAT(message, HasSubstr("t.safetensors"));
  EXPECT_THAT(message, HasSubstr(GetParam().expected));
  EXPECT_TRUE(test::is_one_line(message)) << message;
  EXPECT_LT(message.size(), 500u);
}

INSTANTIATE_TEST_SUITE_P(
    All, SafetensorsErrors,
    testing::Values(
        BadHeader{"empty_file", "", "0 bytes, at least 8 expected"},
        BadHeader{"seven_bytes", "1234567", "7 bytes, at least 8 expected"},
        BadHeader{"only_length", std::string(8, '\0'), "header: not valid JSON"},
        BadHeader{"length_beyond_file", forged_length(3), "its header claims 3 bytes"},
        BadHeader{"length_huge", forged_length(UINT64_MAX), "its header claims 18446744073709551615 bytes"},
        BadHeader{"length_wraps", forged_length(UINT64_MAX - 7),
                  "its header claims 18446744073709551608 bytes"},
        BadHeader{"length_negative", forged_length(uint64_t{1} << 63),
                  "its header claims 9223372036854775808 bytes"},
        BadHeader{"text_file", "this is not a safetensors file at all",
                  "truncated or not a safetensors file"},
        BadHeader{"git_lfs", "version https://git-lfs.github.com/spec/v1\n",
                  "truncated or not a safetensors file"},
        BadHeader{"header_cut", file_of("{\"x\":", 0), "header: not valid JSON"},
        BadHeader{"header_array", file_of("[]", 0), "header: an object expected, an array found"},
        BadHeader{"header_number", file_of("7", 0), "header: an object expected, the number 7 found"},
        BadHeader{"header_utf8", file_of("{\"\xff\":1}", 0), "header: not valid JSON"},
        BadHeader{"header_deep", file_of(std::string(100'000, '['), 0), "nested deeper than 256"},
        BadHeader{"entry_number", file_of(R"({"x":1})", 0),
                  "tensor \"x\": an object expected, the number 1 found"},
        BadHeader{"no_dtype", file_of(R"({"x":{"shape":[],"data_offsets":[0,1]}})", 1),
                  "\"dtype\" is missing"},
        BadHeader{"no_shape", file_of(R"({"x":{"dtype":"U8","data_offsets":[0,1]}})", 1),
                  "\"shape\" is missing"},
        BadHeader{"no_offsets", file_of(R"({"x":{"dtype":"U8","shape":[1]}})", 1),
                  "\"data_offsets\" is missing"},
        BadHeader{"dtype_number", one("1", "[1]", "[0,1]", 1),
                  "dtype: a string expected, the number 1 found"},
        BadHeader{"shape_object", one("\"U8\"", "{}", "[0,1]", 1),
                  "shape: an array expected, an object found"},
        BadHeader{"shape_negative", one("\"U8\"", "[-1]", "[0,1]", 1),
                  "shape: a non-negative whole number expected, the number -1"},
        BadHeader{"shape_fraction", one("\"U8\"", "[1.0]", "[0,1]", 1),
                  "shape: a non-negative whole number expected, the number 1.0"},
        BadHeader{"shape_string", one("\"U8\"", "[\"1\"]", "[0,1]", 1),
                  "shape: a non-negative whole number expected, a string"},
        BadHeader{"shape_2_64", one("\"U8\"", "[18446744073709551615]", "[0,1]", 1),
                  "shape: a non-negative whole number expected"},
        BadHeader{"shape_overflows", one("\"F32\"", "[4294967296,4294967296]", "[0,0]", 0),
                  "more entries than memory can address"},
        BadHeader{"shape_wraps_to_size", one("\"F64\"", "[2305843009213693953]", "[0,8]", 8),
                  "more entries than memory can address"},
        BadHeader{"size_mismatch", one("\"F32\"", "[2]", "[0,4]", 4),
                  "F32 of its shape need 8 bytes, its offsets give 4"},
        BadHeader{"offsets_three", one("\"U8\"", "[1]", "[0,1,2]", 1),
                  "data_offsets: two numbers expected, 3 found"},
        BadHeader{"offsets_negative", one("\"U8\"", "[1]", "[-1,0]", 1),
                  "data_offsets: shape: a non-negative"},
        BadHeader{"offsets_reversed", one("\"U8\"", "[1]", "[1,0]", 1),
                  "bytes 1 to 0 lie outside the file's 1 bytes"},
        BadHeader{"offsets_outside", one("\"U8\"", "[8]", "[0,8]", 4),
                  "bytes 0 to 8 lie outside the file's 4 bytes of data; is the file truncated?"},
        BadHeader{"overlap", two("[0,4]", "[2,6]", 6),
                  "tensor \"b\" begins at byte 2, the one before it ends at 4"},
        BadHeader{"same_place", two("[0,4]", "[0,4]", 4), "begins at byte 0, the one before it ends at 4"},
        BadHeader{"gap", two("[0,4]", "[5,9]", 9),
                  "tensor \"b\" begins at byte 5, the one before it ends at 4"},
        BadHeader{"gap_first", one("\"U8\"", "[4]", "[4,8]", 8),
                  "begins at byte 4, the one before it ends at 0"},
        BadHeader{"data_left_over", one("\"U8\"", "[4]", "[0,4]", 9), "9 bytes of data, its tensors cover 4"},
        BadHeader{
            "duplicate",
            file_of(
                R"({"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                0),
            "key \"x\" stands twice"},
        BadHeader{"metadata_array", file_of(R"({"__metadata__":[]})", 0),
                  "__metadata__: an object expected, an array found"},
        BadHeader{"metadata_number", file_of(R"({"__metadata__":{"a":1}})", 0),
                  "__metadata__.\"a\": a string expected, the number 1 found"},
        BadHeader{"name_with_newline", file_of(R"({"a\nb":1})", 0), "tensor \"a\\nb\": an object expected"},
        BadHeader{"name_long", file_of("{\"" + std::string(100'000, 'n') + "\":1}", 0),
                  "nnn...\": an object expected"}),
    test::kByName);

TEST(Safetensors, TensorsComeInTheOrderOfTheirPlace) {
  const test::TempFolder folder;
  const auto path = folder.write("t", two("[4,8]", "[0,4]", 8));
  EXPECT_EQ(SafetensorsFile(path).tensors()[0].name, "b");
}

TEST(Safetensors, AHeaderWithoutTensorsIsAFile) {
  const test::TempFolder folder;
  EXPECT_TRUE(SafetensorsFile(folder.write("t", file_of("{}   ", 0))).tensors().empty());
}

// Whatever bytes of the header change, the answer is a file or an Error, and
// nothing outside the file is handed out.
TEST(Safetensors, MutatedFilesAreReadOrRefused) {
  const test::TempFolder folder;
  const std::vector<float> x{1, 2, 3, 4};
  write_safetensors(folder / "good",
                    {{"first", TensorType::f32, {2, 2}, raw(x)}, {"second", TensorType::f32, {4}, raw(x)}},
                    {{"key", "value"}});
  const std::string good = test::slurp(folder / "good");
  const size_t header_end = good.size() - 32;
  std::mt19937 random(7);
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  const std::string alphabet = "0123456789-[]{}\",:eE.abF\\ \xff";
  int read = 0;
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string bad = good;
    for (size_t changes = 1 + below(3); changes-- > 0;) {
      const size_t at = below(header_end);
      switch (below(4)) {
        case 0:
          bad[at] = static_cast<char>(random());
          break;
        case 1:
          bad[at] = alphabet[below(alphabet.size())];
          break;
        case 2:
          bad.erase(at, 1 + below(3));
          break;
        default:
          bad.insert(at, 1, alphabet[below(alphabet.size())]);
      }
    }
    if (below(8) == 0) bad.resize(below(bad.size()));
    const auto path = folder.write("bad", bad);
    try {
      const SafetensorsFile file(path);
      for (const auto& entry : file.tensors()) {
        const auto bytes = file.bytes(entry);
        EXPECT_EQ(bytes.size(), entry.end - entry.begin);
        if (entry.type == TensorType::f32) {
          EXPECT_EQ(file.doubles(entry.name).size() * 4, bytes.size());
        }
      }
      ++read;
    } catch (const Error& error) {
      EXPECT_TRUE(test::is_one_line(error.what())) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace circuitdiff
