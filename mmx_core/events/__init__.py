"""The event-file contract: what is logged, how it is encoded, and how it is read back.

Free of torch. Names are handed out lazily, so that decoding alone never loads TensorBoard.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "DamagedBlob": "blob",
    "DamagedRecordWarning": "reader",
    "LoggingWarning": "guard",
    "UnsupportedVersion": "blob",
    "decode_explanation": "wire",
    "encode_explanation": "wire",
    "ExplanationWriter": "writer",
    "add_explanation": "writer",
    "add_metrics": "writer",
    "guarded": "guard",
    "logger": "sinks",
    "SummaryWriterSink": "sinks",
    "mark_resume": "writer",
    "Damage": "log",
    "Explanations": "reader",
    "read_explanations": "reader",
    "decode_tensors": "tensors",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
