#include "checkpoint/rope_config.h"

#include <cmath>

#include "base/error.h"

namespace circuitdiff {
namespace {

constexpr double kDefaultTheta = 10000.0;  // of all these classes in transformers

struct Spelling {
  std::string prefix;  // "rope_scaling." or "rope_parameters." or "rope_parameters.full_attention."
  Rope rope;
  bool has_theta = false;
};

RopeType rope_type(const ConfigFields& fields, const std::string& prefix, bool may_be_absent) {
  std::string type, holder;
  for (const char* key : {"rope_type", "type"}) {
    const std::string field = prefix + key;
    if (!fields.present(field)) continue;
    std::string found = fields.row().string(field);
    if (found == "su") found = "longrope";  // its first name
    if (!holder.empty() && type != found)
      fail("{}: field \"{}\": {} expected, as \"{}\" says, {} found", fields.where(), field, in_quotes(type),
           holder, in_quotes(found));
    type = found;
    holder = field;
  }
  if (holder.empty()) {
    if (may_be_absent) return RopeType::plain;
    fail("{}: field \"{}rope_type\" is missing ({} expected)", fields.where(), prefix,
         list_words<RopeType>());
  }
  const auto known = from_word<RopeType>(type);
  if (!known)
    fail("{}: field \"{}\": rope type {} is not supported; {} expected", fields.where(), holder,
         in_quotes(type), list_words<RopeType>());
  return *known;
}

void refuse_partial_rotation(const ConfigFields& fields, const std::string& field) {
  const double factor = fields.positive(field, 1.0);
  if (factor != 1.0)
    fail("{}: field \"{}\": 1 expected (the whole head is rotated), {} found", fields.where(), field, factor);
}

int64_t original_positions(const ConfigFields& fields, const std::string& prefix, ModelConfig& config) {
  const std::string inner = prefix + "original_max_position_embeddings";
  const std::string outer = "original_max_position_embeddings";
  if (!fields.present(inner) && !fields.present(outer)) {
    config.notes.push_back(
        fmt::format("{} is absent: {}, as max_position_embeddings", inner, config.max_positions));
    return config.max_positions;
  }
  const int64_t found = fields.whole(fields.present(inner) ? inner : outer, 1, kMostPositions);
  if (fields.present(outer) && fields.whole(outer, 1, kMostPositions) != found)
    fail("{}: field \"{}\": {} expected, as \"{}\" says, {} found", fields.where(), outer, found, inner,
         fields.whole(outer, 1, kMostPositions));
  return found;
}

// Factors of every frequency, for sequences up to the original length and for longer ones.
void read_longrope(const ConfigFields& fields, const std::string& prefix, const ModelConfig& config,
                   Rope& rope) {
  const auto factors = [&](const char* name) {
    const std::string field = prefix + name;
    if (!fields.present(field)) fail("{}: field \"{}\" is missing", fields.where(), field);
    const json& list = fields.row().at(field);
    std::vector<double> out;
    if (list.is_array())
      for (const json& v : list)
        if (v.is_number() && std::isfinite(v.get<double>()) && v.get<double>() > 0)
          out.push_back(v.get<double>());
    if (!list.is_array() || out.size() != list.size() ||
        static_cast<int64_t>(out.size()) != config.d_head / 2)
      fail("{}: field \"{}\": {} numbers above 0 expected, one a pair of a head's entries", fields.where(),
           field, config.d_head / 2);
    return out;
  };
  rope.short_factor = factors("short_factor");
  rope.long_factor = factors("long_factor");
  double factor = 1.0;
  const char* original = "original_max_position_embeddings";
  const std::string inner = prefix + original;
  if (fields.present(original) || fields.present(inner) || config.architecture == Architecture::phi3) {
    rope.original_max_positions = fields.present(original) || !fields.present(inner)
                                      ? fields.whole(original, 1, kMostPositions, 4096)
                                      : fields.whole(inner, 1, kMostPositions);
    factor = static_cast<double>(config.max_positions) / static_cast<double>(rope.original_max_positions);
  } else {
    rope.original_max_positions = config.max_positions;
    factor = fields.positive(prefix + "factor", 1.0);
  }
  const double computed =
      factor <= 1.0
          ? 1.0
          : std::sqrt(1.0 + std::log(factor) / std::log(static_cast<double>(rope.original_max_positions)));
  rope.attention_factor = fields.positive(prefix + "attention_factor", computed);
  if (!std::isfinite(rope.attention_factor))
    fail("{}: field \"{}\": more than 1 expected, {} found", fields.where(), original,
         rope.original_max_positions);
}

Spelling read_spelling(const ConfigFields& fields, std::string prefix, bool type_may_be_absent,
                       ModelConfig& config) {
  Spelling out;
  out.prefix = std::move(prefix);
  Rope& rope = out.rope;
  rope.type = rope_type(fields, out.prefix, type_may_be_absent);
  refuse_partial_rotation(fields, out.prefix + "partial_rotary_factor");
  out.has_theta = fields.present(out.prefix + "rope_theta");
  if (out.has_theta) rope.theta = fields.positive(out.prefix + "rope_theta");
  if (rope.type == RopeType::longrope) read_longrope(fields, out.prefix, config, rope);
  if (rope.type != RopeType::plain && rope.type != RopeType::longrope)
    rope.factor = fields.positive(out.prefix + "factor");
  if (rope.type == RopeType::llama3) {
    rope.low_freq_factor = fields.positive(out.prefix + "low_freq_factor");
    rope.high_freq_factor = fields.positive(out.prefix + "high_freq_factor");
    if (rope.low_freq_factor >= rope.high_freq_factor)
      fail("{}: field \"{}low_freq_factor\": less than high_freq_factor ({}) expected, {} found",
           fields.where(), out.prefix, rope.high_freq_factor, rope.low_freq_factor);
    rope.original_max_positions = original_positions(fields, out.prefix, config);
  }
  if (rope.type == RopeType::dynamic) {
    // The exponent of the new base is d / (d - 2).
    if (config.d_head <= 2)
      fail("{}: rope type \"dynamic\" needs a head_dim above 2, {} found", fields.where(), config.d_head);
    rope.original_max_positions = config.max_positions;
  }
  return out;
}

bool same(const Rope& a, const Rope& b) {
  return a.type == b.type && a.theta == b.theta && a.factor == b.factor &&
         a.low_freq_factor == b.low_freq_factor && a.high_freq_factor == b.high_freq_factor &&
         a.original_max_positions == b.original_max_positions && a.short_factor == b.short_factor &&
         a.long_factor == b.long_factor && a.attention_factor == b.attention_factor;
}

void check_object(const ConfigFields& fields, const std::string& field) {
  if (!fields.row().at(field).is_object()) fields.row().bad(field, "an object");
}

// transformers 5: one object, or one per layer type. All types of layers must then rotate alike.
Spelling read_parameters(const ConfigFields& fields, ModelConfig& config) {
  const std::string top = "rope_parameters";
  check_object(fields, top);
  std::vector<std::string> nested;
  for (const char* type : {"full_attention", "sliding_attention"})
    if (fields.written(top + "." + type)) nested.push_back(top + "." + type);
  if (nested.empty()) return read_spelling(fields, top + ".", /*type_may_be_absent=*/true, config);
  for (const auto& field : nested) check_object(fields, field);
  Spelling first = read_spelling(fields, nested.front() + ".", true, config);
  for (size_t i = 1; i < nested.size(); ++i) {
    const Spelling other = read_spelling(fields, nested[i] + ".", true, config);
    if (!same(first.rope, other.rope) || first.has_theta != other.has_theta)
      fail("{}: field \"{}\": the same rope as \"{}\" expected; a rope per layer type is not supported",
           fields.where(), nested[i], nested.front());
  }
  return first;
}

}  // namespace

void read_rope(const ConfigFields& fields, ModelConfig& config) {
  refuse_partial_rotation(fields, "partial_rotary_factor");
  std::optional<Spelling> scaling, parameters;
  if (fields.present("rope_scaling")) {
    check_object(fields, "rope_scaling");
    if (!fields.row().at("rope_scaling").empty())
      scaling = read_spelling(fields, "rope_scaling.", /*type_may_be_absent=*/false, config);
  }
  if (fields.present("rope_parameters")) parameters = read_parameters(fields, config);
  const bool top_theta = fields.present("rope_theta");
  const double theta = fields.positive("rope_theta", kDefaultTheta);

  // Where both are written, transformers takes rope_scaling; files in which they disagree are refused.
  const auto finish = [&](Spelling& spelling) {
    if (!spelling.has_theta) spelling.rope.theta = theta;
    spelling.rope.theta_defaulted = !spelling.has_theta && !top_theta;
  };
  if (scaling) finish(*scaling);
  if (parameters) finish(*parameters);
  if (scaling && parameters && !same(scaling->rope, parameters->rope))
    fail("{}: fields \"rope_scaling\" and \"rope_parameters\" describe different ropes; one of them expected",
         fields.where());
  if (scaling && scaling->has_theta && top_theta && scaling->rope.theta != theta)
    fail("{}: field \"rope_scaling.rope_theta\": {} expected, as \"rope_theta\" says, {} found",
         fields.where(), theta, scaling->rope.theta);
  if (parameters) {
    config.rope = parameters->rope;
    if (parameters->has_theta && top_theta && parameters->rope.theta != theta)
      config.notes.push_back(fmt::format("rope_theta {} is ignored: {}rope_theta says {}", theta,
                                         parameters->prefix, parameters->rope.theta));
  } else if (scaling) {
    config.rope = scaling->rope;
  } else {
    config.rope.theta = theta;
    config.rope.theta_defaulted = !top_theta;
  }
  if (config.rope.theta_defaulted)
    config.notes.push_back(fmt::format("no rope_theta is written: {}, the default of {} in transformers",
                                       kDefaultTheta, to_word(config.architecture)));
}

}  // namespace circuitdiff
