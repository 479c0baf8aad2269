// retain: taking hold of a Swift object that may be about to end, for tables that name objects without keeping them.
#pragma once

// Of the Swift runtime's documented entry points (docs/Runtime.md): retains the object and answers it, or answers null when it has begun to end. The
// object's memory must still be there: whoever frees it has to be kept from that meanwhile.
void *_Nullable swift_tryRetain(void *_Nonnull object);
