// numpy's arrays: headers as numpy writes them, turned arrays, texts, and everything that must be refused.
#include "io/npy.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

std::string npy(const std::string& header, const std::string& data, char major = 1) {
  std::string out = std::string("\x93NUMPY") + major + '\0';
  const size_t n = header.size();
  out += {static_cast<char>(n & 0xff), static_cast<char>(n >> 8 & 0xff)};
  if (major > 1) out += {'\0', '\0'};
  return out + header + data;
}
std::string failure(const std::string& bytes) {
  return error_of([&] { parse_npy(bytes, "x.npz: array \"a\""); });
}

TEST(Npy, HeadersAreThoseOfNumpy) {
  // numpy.save of zeros((2, 3), '<f4'): 128 bytes ahead of the data, the header padded with blanks.
  const std::string bytes = npy_bytes(npy_of(std::vector<float>(6, 0), {2, 3}));
  EXPECT_EQ(bytes.size(), 128u + 24);
  EXPECT_EQ(bytes.substr(10, 59), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(bytes[127], '\n');
  EXPECT_THAT(npy_bytes(npy_of(std::vector<int64_t>{1}, {1})), HasSubstr("'shape': (1,), }"));
  EXPECT_THAT(npy_bytes(npy_of(std::vector<double>{1}, {})), HasSubstr("'shape': (), }"));
}

TEST(Npy, NumbersReadBack) {
  const std::vector<double> values{1.5, -2, 0, 1e300, 3, 4};
  const NpyArray back = parse_npy(npy_bytes(npy_of(values, {2, 3})), "x");
  EXPECT_THAT(back.shape, ElementsAre(2, 3));
  EXPECT_EQ(npy_numbers(back, "x"), values);
  EXPECT_EQ(npy_numbers(parse_npy(npy_bytes(npy_of(std::vector<bool>{true, false}, {2})), "x"), "x"),
            (std::vector<double>{1, 0}));
}

TEST(Npy, TextsReadBack) {
  const std::vector<std::string> texts{"", "a3<q>", "\u00e9\u4e2d", "\U0001F600"};
  EXPECT_EQ(npy_texts(parse_npy(npy_bytes(npy_of(texts)), "x"), "x"), texts);
}

TEST(Npy, ColumnMajorArraysAreTurned) {
  const std::string data("\x01\x04\x02\x05\x03\x06", 6);
  const NpyArray a =
      parse_npy(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", data), "x");
  EXPECT_EQ(npy_numbers(a, "x"), (std::vector<double>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, LaterFormatsAndOtherQuotesAreRead) {
  EXPECT_EQ(parse_npy(npy("{\"shape\":(1,),\"fortran_order\":False,\"descr\":\"|i1\"}", "\x05", 2), "x").data,
            "\x05");
}

TEST(Npy, WhatIsNoArrayOfNumbersIsRefused) {
  const auto header = [](const std::string& descr, const std::string& shape) {
    return "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }";
  };
  EXPECT_THAT(failure("PK"), HasSubstr("x.npz: array \"a\": a numpy array expected"));
  EXPECT_THAT(failure(npy(header("'<f4'", "(2,)"), "1234")),
              HasSubstr("its shape needs more than the 4 bytes"));
  EXPECT_THAT(failure(npy(header("'<f4'", "(1,)"), "12345")),
              HasSubstr("4 bytes of data expected by its shape, 5 found"));
  EXPECT_THAT(failure(npy(header("'|O'", "(1,)"), "12345678")),
              HasSubstr("is a pickle, which could run anything"));
  EXPECT_THAT(failure(npy(header("'>f4'", "(1,)"), "1234")), HasSubstr("type \">f4\" found"));
  EXPECT_THAT(failure(npy(header("[('a', '<f4')]", "(1,)"), "1234")), HasSubstr("a structured type"));
  EXPECT_THAT(failure(npy(header("'<f4'", "(4611686018427387904, 4611686018427387904)"), "1234")),
              HasSubstr("its shape needs more"));
  EXPECT_THAT(failure(npy(header("'<f4'", "(-1,)"), "1234")),
              HasSubstr("a dimension that is no whole number"));
  EXPECT_THAT(failure(npy("{'descr': '<f4', 'shape': (1,)}", "1234")), HasSubstr("no key fortran_order"));
  EXPECT_THAT(failure(npy("{'descr': '<f4", "1234")), HasSubstr("a text without end"));
  EXPECT_THAT(failure(npy("__import__('os')", "")), HasSubstr("a numpy header"));
  EXPECT_THAT(failure(npy(header("'<f4'", "(1,)"), "1234", 9)),
              HasSubstr("numpy format 1 to 3 expected, 9 found"));
  EXPECT_THAT(failure(std::string("\x93NUMPY\x01\x00\xff\xff{", 11)), HasSubstr("ends within its header"));
  EXPECT_THAT(failure(npy(header("'<U99999999999'", "(1,)"), "1234")),
              HasSubstr("type \"<U99999999999\" found"));
}

TEST(Npy, EveryPrefixIsAnError) {
  const std::string whole = npy_bytes(npy_of(std::vector<float>{1, 2}, {2}));
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_ANY_THROW(parse_npy(whole.substr(0, n), "x")) << n;
}

TEST(Npy, TextsThatAreNoUnicodeAreRefused) {
  const NpyArray a{"<U1", {1}, std::string("\x00\x00\x11\x00", 4)};
  EXPECT_THAT(error_of([&] { npy_texts(a, "x"); }), HasSubstr("entry 0: no Unicode text"));
}

}  // namespace
}  // namespace circuitdiff
