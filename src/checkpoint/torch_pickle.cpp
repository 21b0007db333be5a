#include "checkpoint/torch_pickle.h"

#include <array>
#include <cstring>
#include <deque>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

constexpr size_t kLargestPickle = size_t{64} << 20;
constexpr size_t kMostValues = 2'000'000;
constexpr size_t kMostAxes = 16;

enum class Kind { mark, none, boolean, integer, number, text, sequence, dict, name, storage, tensor };

// Values live in one row and refer to each other by their place in it, so that shared and circular structures
// cost nothing and are never walked.
struct Value {
  Kind kind = Kind::none;
  int64_t integer = 0;
  std::string text;
  std::vector<uint32_t> items;  // of a sequence; of a dict: key, value, key, value, ...
  size_t detail = 0;            // of a name: into kNames; of a storage or tensor: into tensors_
};

enum class Role { ordered_dict, tensor, parameter, storage };
struct Name {
  const char* name;
  Role role;
  TensorType type;
};
constexpr TensorType kNoType = TensorType::other;
constexpr std::array kNames{Name{"collections OrderedDict", Role::ordered_dict, kNoType},
                            Name{"torch._utils _rebuild_tensor_v2", Role::tensor, kNoType},
                            Name{"torch._utils _rebuild_parameter", Role::parameter, kNoType},
                            Name{"torch DoubleStorage", Role::storage, TensorType::f64},
                            Name{"torch FloatStorage", Role::storage, TensorType::f32},
                            Name{"torch HalfStorage", Role::storage, TensorType::f16},
                            Name{"torch BFloat16Storage", Role::storage, TensorType::bf16},
                            Name{"torch LongStorage", Role::storage, TensorType::i64},
                            Name{"torch IntStorage", Role::storage, TensorType::i32},
                            Name{"torch ShortStorage", Role::storage, TensorType::i16},
                            Name{"torch CharStorage", Role::storage, TensorType::i8},
                            Name{"torch ByteStorage", Role::storage, TensorType::u8},
                            Name{"torch BoolStorage", Role::storage, TensorType::boolean}};

class Machine {
 public:
  Machine(std::span<const std::byte> pickle, const std::string& where) : bytes_(pickle), where_(where) {}

  std::map<std::string, PickledTensor> run() {
    if (bytes_.size() > kLargestPickle)
      fail("{}: {} bytes; a description of tensors is smaller", where_, bytes_.size());
    for (uint8_t code; (code = number<uint8_t>()) != '.';) step(code);
    const Value& top = values_[pop()];
    if (top.kind != Kind::dict) fail("{}: a dictionary of tensors expected", where_);
    std::map<std::string, PickledTensor> out;
    for (size_t i = 0; i + 1 < top.items.size(); i += 2) {
      const Value &key = values_[top.items[i]], &value = values_[top.items[i + 1]];
      if (value.kind != Kind::tensor) continue;
      if (key.kind != Kind::text) fail("{}: a tensor's name is no text", where_);
      out[key.text] = tensors_[value.detail];
    }
    if (out.empty()) fail("{}: no tensor stands in its dictionary", where_);
    return out;
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    fail("{}: byte {}: {}; nothing was executed", where_, at_, what);
  }
  std::span<const std::byte> take(uint64_t n) {
    if (n > bytes_.size() - at_) bad(fmt::format("{} bytes announced, {} left", n, bytes_.size() - at_));
    const auto out = bytes_.subspan(at_, n);
    at_ += n;
    return out;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string text(uint64_t n) {
    const auto part = take(n);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  std::string line() {
    std::string out;
    for (char c; (c = number<char>()) != '\n';) out += c;
    return out;
  }
  void push(Value value) {
    if (values_.size() >= kMostValues) bad("more values than a description of tensors has");
    values_.push_back(std::move(value));
    stack_.push_back(static_cast<uint32_t>(values_.size() - 1));
  }
  void push_integer(int64_t n) { push({.kind = Kind::integer, .integer = n}); }
  void push_text(std::string s) { push({.kind = Kind::text, .text = std::move(s)}); }
  void push_kind(Kind kind) { push({.kind = kind}); }
  void push_sequence(std::vector<uint32_t> items) {
    push({.kind = Kind::sequence, .items = std::move(items)});
  }
  void push_described(Kind kind, PickledTensor described) {  // a storage or tensor
    push({.kind = kind, .detail = tensors_.size()});
    tensors_.push_back(std::move(described));
  }
  uint32_t pop() {
    if (stack_.empty()) bad("the stack is empty");
    const uint32_t top = stack_.back();
    stack_.pop_back();
    if (values_[top].kind == Kind::mark) bad("a mark where a value is expected");
    return top;
  }
  Value& top(Kind kind, const char* expected) {
    if (stack_.empty() || values_[stack_.back()].kind != kind) bad(std::string(expected) + " expected");
    return values_[stack_.back()];
  }
  std::vector<uint32_t> pop_to_mark() {
    size_t mark = stack_.size();
    while (mark > 0 && values_[stack_[mark - 1]].kind != Kind::mark) --mark;
    if (mark == 0) bad("no mark on the stack");
    std::vector<uint32_t> out(stack_.begin() + static_cast<std::ptrdiff_t>(mark), stack_.end());
    stack_.resize(mark - 1);
    return out;
  }
  void push_tuple(size_t n) {
    std::vector<uint32_t> items(n);
    for (size_t i = n; i-- > 0;) items[i] = pop();
    push_sequence(std::move(items));
  }
  void append(Value& to, const std::vector<uint32_t>& items) {
    to.items.insert(to.items.end(), items.begin(), items.end());
  }
  void remember(uint64_t slot) {
    if (stack_.empty()) bad("nothing to remember");
    memo_[slot] = stack_.back();
  }
  void recall(uint64_t slot) {
    const auto it = memo_.find(slot);
    if (it == memo_.end()) bad(fmt::format("value {} was never remembered", slot));
    stack_.push_back(it->second);
  }

  const Value& item(const Value& sequence, size_t i, Kind kind, const char* what) const {
    if (sequence.kind != Kind::sequence || i >= sequence.items.size() ||
        values_[sequence.items[i]].kind != kind)
      bad(what);
    return values_[sequence.items[i]];
  }
  std::vector<int64_t> integers(const Value& sequence, const char* what) const {
    std::vector<int64_t> out;
    if (sequence.items.size() > kMostAxes) bad(what);
    for (size_t i = 0; i < sequence.items.size(); ++i)
      out.push_back(item(sequence, i, Kind::integer, what).integer);
    return out;
  }

  void push_name(const std::string& name) {
    for (size_t i = 0; i < kNames.size(); ++i)
      if (name == kNames[i].name) return push({.kind = Kind::name, .detail = i});
    bad(fmt::format("the name {} is refused; tensors do not need it", in_quotes(name)));
  }

  // ('storage', type, key, device, numel)
  void persistent() {
    const Value id = values_[pop()];
    if (item(id, 0, Kind::text, "a storage expected").text != "storage") bad("a storage expected");
    const Name& type = kNames[item(id, 1, Kind::name, "a storage's type expected").detail];
    if (type.role != Role::storage) bad("a storage's type expected");
    PickledTensor storage;
    storage.type = type.type;
    storage.storage = item(id, 2, Kind::text, "a storage's key expected").text;
    storage.storage_numel = item(id, 4, Kind::integer, "a storage's size expected").integer;
    push_described(Kind::storage, std::move(storage));
  }

  void reduce() {
    const uint32_t arguments_at = pop(), called = pop();
    const Value arguments = values_[arguments_at];
    if (arguments.kind != Kind::sequence) bad("a tuple of arguments expected");
    if (values_[called].kind != Kind::name) bad("a call of something that is no name");
    switch (kNames[values_[called].detail].role) {
      case Role::ordered_dict:
        if (!arguments.items.empty()) bad("OrderedDict() without arguments expected");
        return push_kind(Kind::dict);
      case Role::parameter:
        item(arguments, 0, Kind::tensor, "a parameter's tensor expected");
        stack_.push_back(arguments.items[0]);
        return;
      case Role::tensor: {
        PickledTensor tensor =
            tensors_[item(arguments, 0, Kind::storage, "a tensor's storage expected").detail];
        tensor.offset = item(arguments, 1, Kind::integer, "a tensor's offset expected").integer;
        tensor.shape = integers(item(arguments, 2, Kind::sequence, "a tensor's shape expected"), "bad shape");
        tensor.stride =
            integers(item(arguments, 3, Kind::sequence, "a tensor's strides expected"), "bad strides");
        return push_described(Kind::tensor, std::move(tensor));
      }
      case Role::storage:
        bad("a storage is not made by a call");
    }
  }

  // One instruction, but the one that ends the pickle.
  void step(uint8_t code) {
    switch (code) {
      case 0x80:  // PROTO
        if (const auto version = number<uint8_t>(); version > 5) bad(fmt::format("protocol {}", version));
        return;
      case 0x95:  // FRAME
        take(sizeof(uint64_t));
        return;
      case '(':
        return push_kind(Kind::mark);
      case 'N':
        return push_kind(Kind::none);
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        return push_kind(Kind::boolean);
      case 'J':
        return push_integer(number<int32_t>());
      case 'K':
        return push_integer(number<uint8_t>());
      case 'M':
        return push_integer(number<uint16_t>());
      case 0x8a: {  // LONG1
        const auto n = number<uint8_t>();
        if (n > 8) bad("a whole number beyond 64 bits");
        const auto raw = take(n);
        uint64_t value = 0;
        std::memcpy(&value, raw.data(), n);
        if (n > 0 && n < 8 && (std::to_integer<uint8_t>(raw.back()) & 0x80)) value |= ~uint64_t{0} << (8 * n);
        return push_integer(static_cast<int64_t>(value));
      }
      case 'G':
        take(sizeof(double));
        return push_kind(Kind::number);
      case 'X':
        return push_text(text(number<uint32_t>()));
      case 0x8c:  // SHORT_BINUNICODE
      case 'U':   // SHORT_BINSTRING
        return push_text(text(number<uint8_t>()));
      case ')':
      case ']':
        return push_sequence({});
      case '}':
        return push_kind(Kind::dict);
      case 't':
        return push_sequence(pop_to_mark());
      case 0x85:  // TUPLE1 .. TUPLE3
      case 0x86:
      case 0x87:
        return push_tuple(code - 0x84u);
      case 'a': {
        const uint32_t item_at = pop();
        return append(top(Kind::sequence, "a list"), {item_at});
      }
      case 'e': {
        const std::vector<uint32_t> items = pop_to_mark();
        return append(top(Kind::sequence, "a list"), items);
      }
      case 's': {
        const uint32_t value = pop(), key = pop();
        return append(top(Kind::dict, "a dictionary"), {key, value});
      }
      case 'u': {
        const std::vector<uint32_t> items = pop_to_mark();
        if (items.size() % 2) bad("a key without a value");
        return append(top(Kind::dict, "a dictionary"), items);
      }
      case 'b':  // BUILD: a dictionary's attributes (_metadata), which tensors do not need
        pop();
        top(Kind::dict, "a dictionary");
        return;
      case 'q':
        return remember(number<uint8_t>());
      case 'r':
        return remember(number<uint32_t>());
      case 0x94:  // MEMOIZE
        return remember(memo_.size());
      case 'h':
        return recall(number<uint8_t>());
      case 'j':
        return recall(number<uint32_t>());
      case 'c': {
        const std::string module = line();
        return push_name(module + " " + line());
      }
      case 0x93: {  // STACK_GLOBAL
        const uint32_t name = pop(), module = pop();
        return push_name(values_[module].text + " " + values_[name].text);
      }
      case 'Q':
        return persistent();
      case 'R':
        return reduce();
      default:
        bad(fmt::format("the pickle instruction 0x{:02x} is refused; tensors do not need it", code));
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
  size_t at_ = 0;
  std::deque<Value> values_;
  std::vector<uint32_t> stack_;
  std::unordered_map<uint64_t, uint32_t> memo_;
  std::vector<PickledTensor> tensors_;  // and storages
};

}  // namespace

std::map<std::string, PickledTensor> read_torch_pickle(std::span<const std::byte> pickle,
                                                       const std::string& where) {
  return Machine(pickle, where).run();
}

}  // namespace circuitdiff
