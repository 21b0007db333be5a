// SIGINT and SIGTERM ask the stage at work to stop; a second one ends the process at once.
#pragma once

namespace circuitdiff {

void install_interrupt_handler();

}  // namespace circuitdiff
