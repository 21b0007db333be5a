// tokenize, detokenize and chat: JSON Lines from stdin to stdout.
#include <iostream>

#include "command.h"
#include "commands.h"
#include "jinja/chat_stream.h"
#include "tokenizer/tokenize_stream.h"

namespace circuitdiff {
namespace {

template <class Stage>
struct OfModel {
  std::filesystem::path model;
  Stage stage;
};
template <class V, class Stage>
void visit(V& v, OfModel<Stage>& o) {
  v(o.model, "model", "folder with the tokenizer's files");
  visit(v, o.stage);
}
struct Nothing {};
template <class V>
void visit(V&, Nothing&) {}

const std::filesystem::path& required(const std::filesystem::path& model, const char* command) {
  if (model.empty()) usage_error("{}: MODEL is missing", command);
  return model;
}

}  // namespace

void setup_text(CLI::App& app, int& exit_code) {
  std::ios::sync_with_stdio(false);
  command<OfModel<TokenizeOptions>>(app, exit_code, "tokenize", "stdin {text} -> stdout {ids}", {"model"},
                                    [](const OfModel<TokenizeOptions>& o, const CommonFlags&) {
                                      tokenize_stream(Tokenizer::load(required(o.model, "tokenize")),
                                                      std::cin, std::cout, o.stage);
                                      return 0;
                                    });
  command<OfModel<DetokenizeOptions>>(app, exit_code, "detokenize", "stdin {ids} -> stdout {text}", {"model"},
                                      [](const OfModel<DetokenizeOptions>& o, const CommonFlags&) {
                                        detokenize_stream(Tokenizer::load(required(o.model, "detokenize")),
                                                          std::cin, std::cout, o.stage);
                                        return 0;
                                      });
  command<OfModel<Nothing>>(app, exit_code, "chat",
                            "stdin {messages} -> stdout {text}, by the checkpoint's own template", {"model"},
                            [](const OfModel<Nothing>& o, const CommonFlags&) {
                              return chat_stream(required(o.model, "chat"), std::cin, std::cout) > 0 ? 3 : 0;
                            });
}

}  // namespace circuitdiff
