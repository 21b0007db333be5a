// numpy's .npy arrays: a magic, a header that is a Python dictionary, data. Read and written are what score
// files of Python tools hold: numbers up to 8 bytes, little-endian, and arrays of Unicode strings. Object
// arrays are refused: they are pickles, which can do anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace circuitdiff {

struct NpyArray {
  std::string dtype;  // "<f4", "<f8", "<f2", "<i8", "|u1", "|b1", "<U12", ...
  std::vector<int64_t> shape;
  std::string data;  // row-major
  int64_t numel() const;
};

// `where` begins every error: "FILE: member "scores.npy"". Column-major arrays are turned.
NpyArray parse_npy(std::string_view bytes, const std::string& where);
std::string npy_bytes(const NpyArray& array);

NpyArray npy_of(const std::vector<float>& values, std::vector<int64_t> shape);
NpyArray npy_of(const std::vector<double>& values, std::vector<int64_t> shape);
NpyArray npy_of(const std::vector<int64_t>& values, std::vector<int64_t> shape);
NpyArray npy_of(const std::vector<bool>& values, std::vector<int64_t> shape);
NpyArray npy_of(const std::vector<std::string>& values);  // UTF-8 -> <U, one dimension

// Widened; Error where the array holds something else.
std::vector<double> npy_numbers(const NpyArray& array, const std::string& where);
std::vector<std::string> npy_texts(const NpyArray& array, const std::string& where);

}  // namespace circuitdiff
