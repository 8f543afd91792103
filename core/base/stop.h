#pragma once
// A request to stop (Ctrl-C, SIGTERM, SIGUSR2): the handler only sets a flag; loops look at it at their own boundaries.
namespace eosin::stop {

/// Installs handlers for SIGINT, SIGTERM, SIGUSR2. The first signal sets the flag; a second SIGINT ends the process at once.
void install();
bool requested() noexcept;
/// Sets the flag as a signal would (for tests and for ranks that were told by another).
void request() noexcept;
/// Clears the flag (tests).
void reset() noexcept;

}  // namespace eosin::stop
