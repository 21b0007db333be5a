// What jinja2's compiler finds out about a whole template before it runs: unknown filters and tests, break
// outside a loop, blocks defined twice, and which loops and macros use the names `loop`, `caller`, `kwargs`
// and `varargs`.
#pragma once

#include "jinja/ast.h"

namespace circuitdiff::jinja {

// Fills in the flags of loops and signatures. Throws Error "NAME:LINE: ...".
void analyse(Template& tree);

}  // namespace circuitdiff::jinja
