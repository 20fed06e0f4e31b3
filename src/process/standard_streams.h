#pragma once

namespace chg {

/// Opens stand-ins for stdin, stdout and stderr where they are closed, so that no file that is
/// opened later gets their numbers. Reading or writing a stand-in fails, as with a closed one. Call
/// it first thing in main.
void fill_standard_streams();

}  // namespace chg
