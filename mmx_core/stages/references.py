"""Other pictures that stand in for a sample's own: which they are, and how they are fitted."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mmx_core.images import Clip, Picture, frames_of
from mmx_core.sample import Sample, as_sample
from mmx_core.stages.begun import Kept
from mmx_core.stages.conversation import conversation_of
from mmx_core.stages.prepare import fingerprint, loaded

REFERENCES = 3
"""Of a sample, where a set has so many: one alone is noisy, and each costs a forward."""

_TRIED = 64
"""Samples of a set whose pictures are looked at: many may ask about the same one."""

_LONGEST_SIDE = 512
"""Pixels: what stands in for a larger picture need not cost as much."""


class References:
    """The pictures of a set, in an order that knows neither the set's own nor its size.

    They are ranked by the checksum of their samples' ids, so that the same stand in at every step,
    and for all samples of a set alike but those that they belong to. Files are read when they are
    needed, as many as are; one that cannot be read is left out here.

    Args:
        samples: The set; what is no sample is left out.

    Attributes:
        begun: What the model has read with them.
    """

    def __init__(self, samples: Iterable[Sample | Mapping[str, Any]]) -> None:
        ranked = sorted(_known(samples), key=lambda sample: zlib.crc32(_bytes(sample.id)))
        self._waiting = iter(ranked[:_TRIED])
        self._kept: dict[Any, Picture] = {}
        self.begun = Kept(REFERENCES + 1)

    def instead_of(self, pictures: Sequence[Picture]) -> tuple[Picture, ...]:
        """Up to :data:`REFERENCES` distinct pictures, none of them among those given."""
        own = {fingerprint(picture) for picture in pictures}
        found: list[Picture] = []
        for mark, picture in self._all():
            if len(found) == REFERENCES:
                break
            if mark not in own:
                found.append(picture)
        return tuple(found)

    def _all(self) -> Iterator[tuple[Any, Picture]]:
        yield from list(self._kept.items())
        for sample in self._waiting:
            try:
                picture = loaded(conversation_of(sample).pictures[0])
            except Exception:  # it is told where the sample itself is explained
                continue
            mark = fingerprint(picture)
            if mark not in self._kept:
                self._kept[mark] = _reduced(picture)
                yield mark, self._kept[mark]


def fitted(own: Picture, reference: Picture | None, *, cut: bool = False) -> Picture:
    """The reference as a picture of the same kind, at its own size.

    A clip's frames are spread over those wanted; a still one is shown throughout. None is a plain
    picture of the own one's size and mean colour.

    Args:
        own: The sample's.
        reference: What stands in for it.
        cut: Whether it is cut and resized to the own one's size.
    """
    frames = frames_of(own)
    size = frames[0].size
    if reference is None:
        colour = np.mean([np.asarray(frame).mean(axis=(0, 1)) for frame in frames], axis=0)
        plain = Image.new("RGB", size, tuple(round(float(value)) for value in colour))
        shown = [plain] * len(frames)
    else:
        others = frames_of(reference)
        places = [(2 * k + 1) * len(others) // (2 * len(frames)) for k in range(len(frames))]
        made = {k: ImageOps.fit(others[k], size) if cut else others[k] for k in set(places)}
        shown = [made[place] for place in places]
    return replace(own, frames=tuple(shown)) if isinstance(own, Clip) else shown[0]


def _reduced(picture: Picture) -> Picture:
    if isinstance(picture, Clip):
        return replace(picture, frames=tuple(map(_small, picture.frames)))
    return _small(picture)


def _small(image: Image.Image) -> Image.Image:
    if max(image.size) <= _LONGEST_SIDE:
        return image
    return ImageOps.contain(image, (_LONGEST_SIDE, _LONGEST_SIDE))


def _known(samples: Iterable[Any]) -> Iterator[Sample]:
    for given in samples:
        try:
            yield as_sample(given)
        except Exception:  # as above
            continue


def _bytes(text: str) -> bytes:
    return str(text).encode("utf-8", "surrogatepass")
