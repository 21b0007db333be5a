// pytorch_model.bin: the same tensors as the safetensors twin, and whatever
// else a pickle may ask for refused.
#include "checkpoint/torch_file.h"

#include <gmock/gmock.h>

#include <chrono>
#include <fstream>

#include "checkpoint/tiny_model.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
using test::little;
using test::TempFolder;
using test::TinyModel;
using testing::HasSubstr;

struct Record {
  std::string name, data;
  uint16_t method = 0;
};

// A zip file of stored records, as torch.save writes it.
std::string zip(const std::vector<Record>& records) {
  std::string out, list;
  for (const Record& r : records) {
    const auto size = static_cast<uint32_t>(r.data.size()), at = static_cast<uint32_t>(out.size());
    const auto name = static_cast<uint16_t>(r.name.size());
    const std::string sizes = little(uint32_t{0}) + little(size) + little(size) + little(name);
    const std::string head =
        little(uint16_t{20}) + little(uint16_t{0}) + little(r.method) + little(uint32_t{0});
    // The data begins at a multiple of 64.
    const size_t data_at = out.size() + 30 + r.name.size();
    const auto pad = static_cast<uint16_t>((64 - data_at % 64) % 64);
    out += "PK\x03\x04" + head + sizes + little(pad) + r.name + std::string(pad, '\0') + r.data;
    list += "PK\x01\x02" + little(uint16_t{20}) + head + sizes + little(uint16_t{0}) + little(uint16_t{0}) +
            std::string(8, '\0') + little(at) + r.name;
  }
  const auto n = static_cast<uint16_t>(records.size());
  const auto begin = static_cast<uint32_t>(out.size());
  return out + list + "PK\x05\x06" + std::string(4, '\0') + little(n) + little(n) +
         little(static_cast<uint32_t>(list.size())) + little(begin) + std::string(2, '\0');
}

std::string pickled_text(const std::string& s) { return "X" + little(static_cast<uint32_t>(s.size())) + s; }
std::string integer(int64_t n) { return "\x8a\x08" + little(n); }
std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}
std::string integers(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (const int64_t v : values) items.push_back(integer(v));
  return tuple(items);
}
const std::string kOrderedDict = "ccollections\nOrderedDict\n)R";
const std::string kFloats = "ctorch\nFloatStorage\n";

std::string storage(const std::string& key, int64_t numel, const std::string& type = kFloats) {
  return tuple({pickled_text("storage"), type, pickled_text(key), pickled_text("cpu"), integer(numel)}) + "Q";
}
std::string tensor(const std::string& of, int64_t offset, const std::vector<int64_t>& shape,
                   const std::vector<int64_t>& stride) {
  return "ctorch._utils\n_rebuild_tensor_v2\n" +
         tuple({of, integer(offset), integers(shape), integers(stride), "\x89", kOrderedDict}) + "R";
}
std::string dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "\x80\x02}q\x01(";
  for (const auto& [name, value] : entries) out += pickled_text(name) + value;
  return out + "u.";
}
std::string file_of(const std::string& pickle, const std::string& data = std::string(64, '\1')) {
  return zip({{"m/data.pkl", pickle}, {"m/byteorder", "little"}, {"m/data/0", data}, {"m/version", "3\n"}});
}
void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<int64_t> strides_of(const std::vector<int64_t>& shape) {
  std::vector<int64_t> out(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) out[i - 1] = out[i] * shape[i];
  return out;
}

TEST(TorchFile, HoldsTheBytesOfItsSafetensorsTwin) {
  const TempFolder one, other;
  TinyModel().write(one);
  TinyModel().write(other);
  const SafetensorsFile twin(one.path() / "model.safetensors");
  std::vector<std::pair<std::string, std::string>> entries;
  std::vector<Record> records{{"archive/data.pkl", ""}};
  for (const TensorEntry& e : twin.tensors()) {
    const std::string key = std::to_string(records.size());
    const auto bytes = twin.bytes(e);
    entries.emplace_back(e.name, tensor(storage(key, e.numel()), 0, e.shape, strides_of(e.shape)));
    records.push_back({"archive/data/" + key, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
  }
  records[0].data = dict(entries);
  fs::remove(other.path() / "model.safetensors");
  write(other.path() / "pytorch_model.bin", zip(records));
  const auto a = Checkpoint::open(one.path()), b = Checkpoint::open(other.path());
  ASSERT_EQ(a->n_tensors(), b->n_tensors());
  EXPECT_EQ(a->stored_bytes(), b->stored_bytes());
  for (const TensorSpec& spec : tensor_table(a->config())) {
    const TensorBytes x = a->tensor(spec.name), y = b->tensor(spec.name);
    EXPECT_EQ(x.type, y.type);
    EXPECT_TRUE(std::equal(x.data.begin(), x.data.end(), y.data.begin(), y.data.end())) << spec.name;
  }
}

TEST(TorchFile, StridesAndSharedStoragesAreFollowed) {
  const TempFolder folder;
  std::string data;
  for (int i = 0; i < 16; ++i) data += little(static_cast<float>(i));
  const std::string s = storage("0", 16);
  write(folder.path() / "x.bin", file_of(dict({{"whole", tensor(s, 0, {4, 4}, {4, 1})},
                                               {"turned", tensor(s, 1, {2, 3}, {1, 4})},
                                               {"none", "N"}}),
                                         data));
  const TorchFile file(folder.path() / "x.bin");
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors().at("whole").mapped.size(), 64u);
  const StoredTensor& turned = file.tensors().at("turned");
  const auto bytes = turned.make();
  EXPECT_EQ(widened(turned.type, bytes), (std::vector<double>{1, 5, 9, 2, 6, 10}));
}

struct Hostile {
  const char* name;
  std::string pickle;
  const char* expected;
};
class HostilePickle : public testing::TestWithParam<Hostile> {};

TEST_P(HostilePickle, IsRefusedWithOneClearError) {
  const TempFolder folder;
  const fs::path path = folder.path() / "x.bin", proof = folder.path() / "proof";
  write(path, file_of(GetParam().pickle));
  const auto start = std::chrono::steady_clock::now();
  try {
    const TorchFile file(path);
    FAIL() << file.tensors().size() << " tensors";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(GetParam().expected));
    EXPECT_THAT(error.what(), HasSubstr(path.string()));
    EXPECT_TRUE(test::is_one_line(error.what()));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_FALSE(fs::exists(proof));
}

std::string with(const std::string& value) { return dict({{"w", value}}); }
std::string call(const std::string& name, const std::string& argument) {
  return with("c" + name + "\n(" + pickled_text(argument) + "tR");
}
const std::string kFine = tensor(storage("0", 16), 0, {4, 4}, {4, 1});

INSTANTIATE_TEST_SUITE_P(
    Kinds, HostilePickle,
    testing::Values(
        Hostile{"os_system", call("os\nsystem", "touch proof"), "the name \"os system\" is refused"},
        Hostile{"posix_system", call("posix\nsystem", "touch proof"), "the name \"posix system\" is refused"},
        Hostile{"eval", call("builtins\neval", "open('proof', 'w')"),
                "the name \"builtins eval\" is refused"},
        Hostile{"exec2", call("__builtin__\nexec", "1"), "the name \"__builtin__ exec\" is refused"},
        Hostile{"subprocess", call("subprocess\nPopen", "touch"), "the name \"subprocess Popen\" is refused"},
        Hostile{"getattr", call("builtins\ngetattr", "x"), "the name \"builtins getattr\" is refused"},
        Hostile{"torch_load", call("torch\nload", "x"), "the name \"torch load\" is refused"},
        Hostile{"stack_global",
                with(pickled_text("os") + pickled_text("system") + "\x93(" + pickled_text("x") + "tR"),
                "the name \"os system\" is refused"},
        Hostile{"inst", with("(" + pickled_text("x") + "ios\nsystem\n"), "instruction 0x69 is refused"},
        Hostile{"object", with("(cos\nsystem\n" + pickled_text("x") + "o"),
                "the name \"os system\" is refused"},
        Hostile{"newobj", with("ccollections\nOrderedDict\n)\x81"), "instruction 0x81 is refused"},
        Hostile{"extension", with("\x82\x01"), "instruction 0x82 is refused"},
        Hostile{"call_of_data", with(pickled_text("x") + ")R"), "a call of something that is no name"},
        Hostile{"call_of_storage", with(kFloats + ")R"), "a storage is not made by a call"},
        Hostile{"larger_storage", with(tensor(storage("0", 1 << 30), 0, {4, 4}, {4, 1})),
                "a storage of 1073741824 entries of 4 bytes announced, 64 bytes found"},
        Hostile{"beyond_storage", with(tensor(storage("0", 16), 8, {4, 4}, {4, 1})),
                "it reaches to entry 23 of a storage of 16"},
        Hostile{"amplified", with(tensor(storage("0", 16), 0, {1 << 20, 1 << 20}, {0, 0})),
                "1099511627776 entries out of a storage of 16"},
        Hostile{"overflow", with(tensor(storage("0", 16), 0, {1LL << 40, 1LL << 40}, {1, 1})),
                "more entries than a tensor has"},
        Hostile{"negative", with(tensor(storage("0", 16), -4, {4}, {1})), "offset -4"},
        Hostile{"no_such_storage", with(tensor(storage("../../passwd", 16), 0, {4}, {1})),
                "its storage \"../../passwd\" is not in the file"},
        Hostile{"endless_text",
                "\x80\x02}(X\xff\xff\xff\x7f"
                "abc",
                "2147483647 bytes announced"},
        Hostile{"unknown_memo", with("h\x07"), "value 7 was never remembered"},
        Hostile{"only_itself", "\x80\x02}q\x01(" + pickled_text("w") + "h\x01u.",
                "no tensor stands in its dictionary"},
        Hostile{"deep", "\x80\x02" + std::string(200000, '(') + std::string(200000, 't') + ".",
                "a dictionary of tensors expected"},
        Hostile{"empty_stack", "\x80\x02R.", "the stack is empty"},
        Hostile{"no_end", "\x80\x02}", "bytes announced, 0 left"}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

std::string reading_of(const std::string& bytes) {
  const TempFolder folder;
  write(folder.path() / "x.bin", bytes);
  try {
    const TorchFile file(folder.path() / "x.bin");
  } catch (const Error& error) {
    EXPECT_TRUE(test::is_one_line(error.what()));
    return error.what();
  }
  return "read";
}

TEST(TorchFile, DamagedArchivesAreRefused) {
  const std::string good = file_of(with(kFine));
  EXPECT_EQ(reading_of(good), "read");
  EXPECT_THAT(reading_of("hello"), HasSubstr("a file of torch.save (a zip file) expected"));
  EXPECT_THAT(reading_of(std::string("\x80\x02\x8a\x0al\xfc\x9c") + "F"), HasSubstr("torch before 1.6"));
  EXPECT_THAT(reading_of(zip({{"m/data.pkl", with(kFine), 8}})), HasSubstr("is compressed or encrypted"));
  EXPECT_THAT(reading_of(zip({{"m/other", "x"}})), HasSubstr("no record data.pkl"));
  EXPECT_THAT(reading_of(zip({{"m/data.pkl", with(kFine)}, {"m/data.pkl", "."}})),
              HasSubstr("stands there twice"));
  EXPECT_THAT(reading_of(zip({{"m/data.pkl", with(kFine)}, {"m/byteorder", "big"}})),
              HasSubstr("little expected"));
  for (size_t size = 0; size < good.size(); size += 7)
    EXPECT_NE(reading_of(good.substr(0, size)), "read") << size;
}

// Any byte changed: the same tensors or an error, never a crash and never a tensor beyond its storage.
TEST(TorchFile, ChangedBytesNeverReachBeyondTheFile) {
  const std::string good = file_of(with(kFine));
  const TempFolder folder;
  const fs::path path = folder.path() / "x.bin";
  uint32_t random = 12345;
  for (int round = 0; round < 800; ++round) {
    std::string bad = good;
    for (int i = 0; i < 1 + round % 3; ++i) {
      random = random * 1664525u + 1013904223u;
      bad[(random >> 8) % bad.size()] = static_cast<char>(random >> 24);
    }
    write(path, bad);
    try {
      const TorchFile file(path);
      for (const auto& [name, t] : file.tensors()) {
        const size_t size = t.make ? t.make().size() : t.mapped.size();
        EXPECT_EQ(static_cast<int64_t>(size), t.stored_bytes);
      }
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace circuitdiff
