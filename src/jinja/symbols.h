// Which names each scope of a template hides: jinja2's static analysis of loads and stores (its idtracking),
// statement by statement in the order it visits them.
#pragma once

#include "jinja/ast.h"

namespace circuitdiff::jinja {

// Fills in `hidden` of the template and of every statement with a scope. Needs uses_loop and the signatures'
// flags.
void find_hidden_names(Template& tree);

}  // namespace circuitdiff::jinja
