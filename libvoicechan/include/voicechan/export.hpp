#pragma once

/// Marks what the shared libraries offer; all else in them is hidden.
#define VOICECHAN_API __attribute__((visibility("default")))
