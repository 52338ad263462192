"""Which tests must notice a fault in which module."""

from __future__ import annotations

_MATHS = ("tests/core/test_maths.py", "tests/core/test_arc.py", "tests/core/test_several.py")
_EVENTS = ("tests/events",)
# The longest prefix of a module's path decides.
_TESTS = {
    "mmx_core/": ("tests/core",),
    "mmx_core/attribution/": (*_MATHS, "tests/core/test_explainer.py"),
    "mmx_core/attribution/arc.py": ("tests/core/test_arc.py",),
    "mmx_core/attribution/rivals/": ("tests/core/test_rivals.py",),
    "mmx_core/data/": ("tests/data",),
    "mmx_core/evaluation/": ("tests/evaluation", "tests/cli/test_evaluate.py"),
    "mmx_core/events/": _EVENTS,
    "mmx_core/metrics/": ("tests/core/test_metrics.py", "tests/core/test_faithfulness.py"),
    "mmx_core/models/": ("tests/models", "tests/core/test_explainer.py"),
    "mmx_core/integrations/": ("tests/core/test_callback.py",),
}


def tests_of(module: str) -> tuple[str, ...]:
    """The test paths of a module such as ``mmx_core/attribution/arc.py``."""
    fitting = [prefix for prefix in _TESTS if module.startswith(prefix)]
    if not fitting:
        raise ValueError(f"{module}: expected a module below mmx_core/")
    return _TESTS[max(fitting, key=len)]
