"""Explanations to blobs and back (wire_format.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmx_core.events.blob import (
    DamagedBlob,
    FloatArray,
    UnsupportedVersion,
    array_shape,
    decode_array,
    decode_bytes,
    decode_json,
    encode_array,
    encode_bytes,
    encode_json,
    encode_maps,
    payload_length,
    quoted,
)
from mmx_core.events.checks import expect
from mmx_core.events.header import (
    Header,
    HeaderReader,
    check_place,
)
from mmx_core.events.header_writer import FLOAT_ARRAYS, build_header, explanation_arrays
from mmx_core.explanation import (
    Alternative,
    EncodedImage,
    ExplainedImage,
    Explanation,
    ScaleExplanation,
)

ImageLookup = Callable[[str], EncodedImage | None]

# Of all arrays of one explanation together, unpacked: 256 MiB of one blob is no reason for more.
MAX_EXPLANATION_BYTES = 512 * 1024 * 1024


def encode_explanation(
    explanation: Explanation, *, tag: str = "", step: int | None = None
) -> list[bytes]:
    """Encodes an explanation as its blobs, the header first.

    Args:
        explanation: What to encode.
        tag: Where it is logged, so that a reader can tell whether it was moved; as is ``step``.
        step: See ``tag``.

    Returns:
        The header, each scale's maps, the heatmaps, the matrix ..., in the header's order. The
        image is not among them: it has a record of its own.
    """
    arrays = explanation_arrays(explanation)
    blobs = [
        encode_json(build_header(explanation, tag=tag, step=step)),
        *(
            encode_array(array) if name["name"] in FLOAT_ARRAYS else encode_maps(array)
            for name, array in arrays
        ),
    ]
    total = sum(map(payload_length, blobs))
    if total > MAX_EXPLANATION_BYTES:
        raise ValueError(f"expected at most {MAX_EXPLANATION_BYTES} bytes in all, got {total}")
    return blobs


def decode_explanation(
    blobs: Sequence[bytes],
    *,
    images: ImageLookup | None = None,
    run: str = "",
    tag: str = "",
    step: int | None = None,
) -> Explanation:
    """Decodes the blobs of one record.

    Args:
        blobs: The header's blob and the others.
        images: Finds an image by its hash; without it the images' pixels are None.
        run: Put into the result, as are ``tag`` and ``step``.
        tag: See ``run``.
        step: See ``run``.

    Raises:
        DamagedBlob: A blob is damaged, missing, or does not fit the header.
        UnsupportedVersion: The record was written by a newer version.
    """
    total = sum(map(payload_length, blobs))
    if total > MAX_EXPLANATION_BYTES:
        raise DamagedBlob(f"expected at most {MAX_EXPLANATION_BYTES} bytes in all, got {total}")
    reader = decode_header(blobs)
    return _assemble(reader, blobs, decode_array, images=images, run=run, tag=tag, step=step)


def check_explanation(blobs: Sequence[bytes], *, tag: str = "", step: int | None = None) -> Header:
    """The header of a record all of whose blobs are there, undamaged and of the right shape.

    Unpacks none of the arrays. Raises as :func:`decode_explanation` does.
    """
    reader = decode_header(blobs)
    _assemble(reader, blobs, _without_values, tag=tag, step=step)
    return reader.header


def _without_values(blob: bytes) -> FloatArray:
    """An array of the blob's shape that takes no memory."""
    return np.broadcast_to(np.float32(np.nan), array_shape(blob))


def _assemble(
    reader: HeaderReader,
    blobs: Sequence[bytes],
    decode: Callable[[bytes], FloatArray],
    *,
    images: ImageLookup | None = None,
    run: str = "",
    tag: str = "",
    step: int | None = None,
) -> Explanation:
    check_place(reader.header, tag, step)
    places = reader.blob_index()
    count, context = reader.answer_length, len(reader.context)

    def array(key: tuple[Any, ...], shape: tuple[int, ...]) -> FloatArray:
        place, key = places.get(key), tuple(part for part in key if part is not None)
        if place is None or place >= len(blobs):
            raise DamagedBlob(f"blob {key}: missing among {len(blobs)} blobs")
        try:
            values = decode(blobs[place])
        except DamagedBlob as error:
            raise DamagedBlob(f"blob {place} {key}: {error}") from None
        if values.shape != shape:
            raise DamagedBlob(f"blob {place} {key}: expected shape {shape}, got {values.shape}")
        return values

    grids = reader.grids(reader.header)

    def of_images(
        name: tuple[Any, Any], shapes: Sequence[tuple[int, ...]]
    ) -> tuple[FloatArray, ...]:
        return tuple(array((*name, image), shape) for image, shape in enumerate(shapes))

    def scale(index: int, entry: dict[str, Any]) -> ScaleExplanation:
        own = reader.grids(entry)
        if len(own) != len(grids):
            raise DamagedBlob(f"grids: expected those of {len(grids)} images, got {len(own)}")
        return ScaleExplanation(
            factor=reader.factor(entry),
            grids=own,
            maps=of_images(("maps", index), [(count, *grid) for grid in own]),
            probability=reader.answer_values(entry, "probability"),
            rank=reader.ranks(entry),
            divergence=reader.answer_values(entry, "divergence"),
            top=reader.candidates(entry.get("top"), "top"),
        )

    def shown(name: str | None, entry: ExplainedImage) -> ExplainedImage:
        return replace(entry, image=images(name) if images and name else None)

    def plain(name: str, *shape: int) -> FloatArray:
        return array((name, None, None), shape)

    def logged(name: str, image: int | None = None) -> bool:
        return (name, None, image) in places

    matrix = plain("matrix", 3, count, context)
    beside = reader.alternatives()
    maps = [
        array(("alternatives", None, i), (len(beside), *g)) for i, g in enumerate(grids) if beside
    ]
    measured = reader.context_words()
    words = len(measured or ())
    reasons: Sequence[FloatArray | None] = [None] * len(beside)
    if beside and logged("alternatives_influence"):
        reasons = list(plain("alternatives_influence", len(beside), words))
    try:
        heatmaps = of_images(("heatmaps", None), [(count, *grid) for grid in grids])
        scales = tuple(scale(*item) for item in enumerate(reader.scales()))
        used = None
        if logged("used", 0):
            own = next((entry.grids for entry in scales if entry.factor == 1.0), grids)
            used = of_images(("used", None), [(count, *grid) for grid in own])
        return Explanation(
            id=reader.text("id"),
            prompt=reader.text("prompt"),
            answer=reader.text("answer"),
            tokens=reader.context[context - count :],
            context=reader.context,
            heatmaps=heatmaps,
            scales=scales,
            relevance=matrix[0],
            text_activation=matrix[1],
            interference_weights=matrix[2],
            grounding=reader.grounding(),
            candidates=reader.leading(),
            images=tuple(shown(*entry) for entry in reader.images()),
            image_grounding=reader.image_grounding(len(grids)),
            image_gain=reader.image_gain(),
            image_gains=reader.image_gains(),
            influence=None if measured is None else plain("influence", count, words),
            context_words=measured or (),
            estimate=plain("estimate", count, context) if logged("estimate") else None,
            used=used,
            turns=reader.turns(),
            alternatives=tuple(
                Alternative(
                    context_index=index,
                    candidate=candidate,
                    heatmaps=tuple(m[row] for m in maps),
                    grounding=share,
                    influence=reasons[row],
                    image_gain=gain,
                )
                for row, (index, candidate, share, gain) in enumerate(beside)
            ),
            words=reader.words(),
            objects=reader.objects(),
            metrics=reader.metrics(),
            provenance=reader.provenance(),
            run=run,
            tag=tag,
            step=step,
        )
    except (DamagedBlob, UnsupportedVersion):
        raise
    except ValueError as error:  # the dataclass's own checks, such as ascending factors
        raise DamagedBlob(f"header: {error}") from None


def decode_header(blobs: Sequence[bytes]) -> HeaderReader:
    """Decodes and checks blob 0; raises as :func:`decode_explanation` does."""
    if not blobs:
        raise DamagedBlob("the record holds no blobs")
    return HeaderReader(decode_json(blobs[0]))


def encode_image(image: EncodedImage) -> list[bytes]:
    """Encodes an image's own record: its description, then the file's bytes."""
    description = {
        "width": image.width,
        "height": image.height,
        "format": image.format,
        "hash": image.hash,
    }
    return [encode_json(description), encode_bytes(image.data)]


def decode_image(blobs: Sequence[bytes], image_hash: str) -> EncodedImage:
    """Decodes an image's record; raises as :func:`decode_explanation` does."""
    if len(blobs) < 2:
        raise DamagedBlob(f"image: expected 2 blobs, got {len(blobs)}")
    description = expect(decode_json(blobs[0]), dict, "image")
    if description.get("hash", image_hash) != image_hash:
        raise DamagedBlob(
            f"image: expected that of {image_hash[:128]}, got {str(description['hash'])[:128]}'s"
        )
    if description.get("format") not in ("png", "jpeg"):
        raise DamagedBlob(f"image: expected png or jpeg, got {quoted(description.get('format'))}")
    width, height = (expect(description.get(k), int, f"image.{k}") for k in ("width", "height"))
    if width < 1 or height < 1:
        raise DamagedBlob(f"image: expected at least 1x1 pixels, got {width}x{height}")
    return EncodedImage(
        data=decode_bytes(blobs[1]),
        format=description["format"],
        width=width,
        height=height,
        hash=image_hash,
    )
