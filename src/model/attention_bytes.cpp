#include "model/attention_bytes.h"

#include <algorithm>

#include "kernels/product.h"
#include "model/flash_attention.h"
#include "model/tiled_attention.h"

namespace circuitdiff {

AttentionBytes attention_bytes(const ModelConfig& c, at::Device device, at::ScalarType dtype, int64_t longest,
                               int64_t pieces, int64_t pieces_back) {
  AttentionBytes out{};
  if (attention_by_jobs(c, device, dtype)) {
    const auto bytes = [&](int64_t n, bool backward) {
      const AttentionRooms rooms = attention_rooms(c, n, longest, longest, backward);
      return rooms.threads * rooms.numbers * int64_t{sizeof(float)};
    };
    out.scores = bytes(pieces, /*backward=*/false);
    out.scores_back = bytes(pieces_back, /*backward=*/true);
    return out;
  }
  const auto b = static_cast<int64_t>(c10::elementSize(dtype));
  const int64_t w = dtype == at::kDouble ? 8 : 4, group = c.n_heads / c.n_kv_heads;
  const AttentionTile tile = attention_tile(c, longest, longest, device);
  const bool flash = !device.is_cpu() && flash_knows(c, dtype);
  const int64_t queries = tile.kv_heads * group * tile.queries;
  const int64_t all = flash ? 0 : queries * longest * w, narrow = b < w ? all / 2 : 0;
  // Masked scores and their softmax; on the way back their gradients too, and a cap's slope.
  out.scores = 2 * all;
  out.scores_back = (3 + (c.attention_softcap > 0 ? 1 : 0)) * all + narrow;
  out.copies = flash ? 0 : c.d_head * 2 * (queries + tile.kv_heads * longest) * b;
  out.copies_back = out.copies + longest * c.n_heads * c.d_head * b;
  if (widens_products(device, dtype)) {
    out.widened = 4 * group * tile.queries * (longest + c.d_head) + 8 * longest * c.d_head;
    // The product with v follows the softmax, whose input is gone by then.
    out.scores = std::max(out.scores, all + narrow + out.widened);
  }
  return out;
}

}  // namespace circuitdiff
