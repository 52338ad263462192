"""Image processors of which only the settings are read, since they exist for torchvision alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar


class ReadsSettings:
    """An adapter that makes its pixels itself, as the image processor would.

    It takes the processor, or anything with its settings: :meth:`settings` of its file.
    """

    defaults: ClassVar[Mapping[str, Any]]
    """What the image processor is set to where its file does not say."""

    @classmethod
    def settings(cls, written: Mapping[str, Any]) -> SimpleNamespace:
        """Settings by name, of an image processor's file.

        Raises:
            ValueError: The size is given otherwise than the family's is.
        """
        said = {name: value for name, value in written.items() if value is not None}
        size, own = said.get("size"), set(cls.defaults.get("size", {}))
        if own and size is not None and not (isinstance(size, Mapping) and own <= set(size)):
            raise ValueError(
                f"image processor: expected a size of {' and '.join(sorted(own))}, got {size!r}"
            )
        return SimpleNamespace(**{**_COMMON, **cls.defaults, **said})


_COMMON = {
    "do_rescale": True,
    "do_normalize": True,
    "rescale_factor": 1 / 255,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
