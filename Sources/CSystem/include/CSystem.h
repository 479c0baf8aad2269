// CSystem: what Swift cannot import from the system's C headers (variadic calls, macros, missing wrappers).
// Nothing here decides anything.
#pragma once
