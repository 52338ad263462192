"""Which tests must notice a fault in which module."""

from __future__ import annotations

_MATHS = ("tests/core/test_maths.py",)
# Without those that start a TensorBoard server, or take seconds otherwise.
_SLOW = ("trainings_own", "keeps_its_own", "panel", "thousand", "table", "server")
_READING = ("tests/events/test_reader.py", "tests/events/test_starts.py")
_READING += ("-k", " and ".join(f"not {name}" for name in _SLOW))
# The longest prefix of a module's path decides. What the quick tests of a room do not notice counts
# as a survivor, even where a whole model's tests would notice: those are for other faults.
_TESTS = {
    "mmx_core/": ("tests/core",),
    "mmx_core/attribution/": _MATHS,
    "mmx_core/attribution/arc.py": ("tests/core/test_arc.py",),
    "mmx_core/evaluation/rivals/": ("tests/core/test_rivals.py",),
    "mmx_core/text/": ("tests/evaluation/test_data.py",),
    "mmx_core/evaluation/": ("tests/evaluation", "tests/cli/test_evaluate.py"),
    "mmx_core/events/": (*_READING, "tests/events/test_writer.py"),
    "mmx_core/events/background.py": ("tests/events/test_background.py",),
    "mmx_core/events/blob.py": ("tests/events/test_blob.py",),
    "mmx_core/events/bounds.py": ("tests/events/test_bounds.py",),
    "mmx_core/events/header.py": ("tests/events/test_blob.py", "tests/events/test_wire.py"),
    "mmx_core/events/log.py": _READING,
    "mmx_core/events/record_file.py": _READING,
    "mmx_core/events/runs.py": _READING,
    "mmx_core/events/shared.py": _READING,
    "mmx_core/events/starts.py": _READING,
    "mmx_core/events/tags.py": ("tests/events/test_tags.py", "tests/events/test_hostile_names.py"),
    "mmx_core/events/tensors.py": ("tests/events/test_wire.py", "tests/events/test_reader.py"),
    "mmx_core/events/wire.py": ("tests/events/test_wire.py",),
    "mmx_core/metrics/": ("tests/core/test_metrics.py",),
    "mmx_core/metrics/faithfulness.py": ("tests/core/test_faithfulness.py",),
    "mmx_core/models/": ("tests/models", "tests/core/test_explainer.py"),
    "mmx_core/models/head.py": ("tests/models/test_head.py",),
    "mmx_core/models/layout.py": ("tests/models/test_layout.py",),
    **dict.fromkeys(
        (
            "mmx_core/models/answered.py",
            "mmx_core/models/chat.py",
            "mmx_core/models/marks.py",
            "mmx_core/models/messages.py",
            "mmx_core/models/template.py",
        ),
        (
            "tests/models/test_answered.py",
            "tests/models/test_chat.py",
            "tests/models/test_vocabulary.py",
        ),
    ),
    "mmx_core/models/llava.py": ("tests/models/test_layout.py", "tests/models/test_llava.py"),
    "mmx_core/models/qwen_vl.py": ("tests/models/test_qwen.py",),
    "mmx_core/models/square.py": ("tests/models/test_layout.py", "tests/models/test_llava.py"),
    "mmx_core/models/tiles.py": ("tests/models/test_layout.py",),
    "mmx_core/integrations/": ("tests/core/test_callback.py",),
}


def tests_of(module: str) -> tuple[str, ...]:
    """What pytest is told for a module such as ``mmx_core/attribution/arc.py``."""
    fitting = [prefix for prefix in _TESTS if module.startswith(prefix)]
    if not fitting:
        raise ValueError(f"{module}: expected a module below mmx_core/")
    return _TESTS[max(fitting, key=len)]
