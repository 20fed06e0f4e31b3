#pragma once

namespace chg {

/// Fills stdin, stdout and stderr where they are closed, so that no file that is opened later is
/// taken for one of them. What stands in fails to be read or written, as the closed one would. Call
/// it first thing in main.
void fill_standard_streams();

}  // namespace chg
