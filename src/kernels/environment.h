// What a program that owns its process may set before libtorch's libraries are first used. No torch here.
#pragma once

namespace circuitdiff {

// Packed samples rarely have the same number of rows twice, and oneDNN makes code for each number, half a MiB
// of it: this keeps enough for the products of a layer and of the next chunk. It is a variable of the
// process's environment, for a program's first lines: it takes effect before oneDNN is first used.
void limit_product_code();

}  // namespace circuitdiff
