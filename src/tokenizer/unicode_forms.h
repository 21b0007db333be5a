// Unicode normalisation forms that say, for each character of the result, what became of the characters it is
// made of: what TextRun needs to keep track of places. (utf8proc's own functions give the text alone.)
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/text_run.h"

namespace circuitdiff {

// The canonical (or compatibility) decomposition of `text`, composed again if `compose`.
std::vector<ChangedChar> normal_form(std::string_view text, bool compatibility, bool compose);

// Whether a quick look suffices to see that NFC leaves `text` as it is. False means "not known".
bool surely_nfc(std::string_view text);

}  // namespace circuitdiff
