"""A sample's way to its explanation, in this order: conversation, prepare, passes, assemble.

As ``mmx_core.explaining(...)`` the room has a door of its own: it is called as
:func:`mmx_core.integrations.generate.explaining`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """A package and a function share the name; a module can be called where its class says so."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from mmx_core.integrations.generate import explaining

        return explaining(*arguments, **named)


sys.modules[__name__].__class__ = _Room
