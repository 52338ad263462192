"""Whether an error comes of memory that has run out: not every library says so by its class."""

from __future__ import annotations

import errno

# As a shared library says it that cannot be loaded, and protobuf.
_TOLD = ("failed to map segment", "Arena alloc failed", "out of memory")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised amid, says that no memory was left."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or any(told in str(error) for told in _TOLD):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        error = error.__cause__ or error.__context__
    return False
