"""What a method takes and gives, and all methods by name: each registers itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from mmx_core.explanation import FloatArray
from mmx_core.models.base import ModelAdapter
from mmx_core.stages.prepare import Prepared

_OWN = (
    "methods",
    "rivals.baselines",
    "rivals.attention",
    "rivals.flows",
    "rivals.gradients",
    "rivals.relevance",
    "rivals.occlusion",
    "rivals.floors",
)
"""In the order of tables."""


@dataclass(frozen=True)
class Attribution:
    """One method's answer.

    Attributes:
        maps: ``(T, h, w)`` float32, non-negative; cell ``(i, j)`` covers that rectangle of the
            image cut ``h`` by ``w``. NaN where the model does not see the image.
        text: ``(T, C)`` float32, the same quantity at each context token, NaN where a token is not
            context; None where the method has no such quantity.
    """

    maps: FloatArray
    text: FloatArray | None = None


Method = Callable[[ModelAdapter, Prepared, int], Attribution]
"""Takes the adapter, the teacher-forced sample and a seed; runs in evaluation mode, without
gradients unless it asks for them itself (:func:`mmx_core.models.running`)."""

_METHODS: dict[str, Method] = {}


def method(name: str) -> Callable[[Method], Method]:
    """Decorator: this method is compared under that name by ``mmx evaluate``.

    Example:
        >>> @mmx_core.evaluation.method("upper_half")
        ... def upper_half(adapter, prepared, seed):
        ...     maps = np.zeros((len(prepared.answer_ids), 2, 1), np.float32)
        ...     maps[:, 0] = 1
        ...     return Attribution(maps)
    """

    def keep(found: Method) -> Method:
        _METHODS[name] = found
        return found

    return keep


def methods() -> Mapping[str, Method]:
    """Every method by the name that ``--methods`` takes and the table shows."""
    own = [f"mmx_core.evaluation.{name}" for name in _OWN]
    for name in own:
        import_module(name)
    # Whichever of them was imported first; those of others come last.
    order = dict(zip(own, range(len(own)), strict=True))
    places = {name: order.get(found.__module__, len(own)) for name, found in _METHODS.items()}
    return {name: _METHODS[name] for name in sorted(_METHODS, key=places.__getitem__)}
