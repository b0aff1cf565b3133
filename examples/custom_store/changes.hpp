#pragma once

#include <string>

#include "voicechan/store.hpp"

/// Makes the change again that a line of the journal tells of. Ids are not in it: they come as they
/// came the first time. False if it is no such line, or there cannot be this change.
bool apply_change(const std::string& line, voicechan::Store& memory) noexcept;
