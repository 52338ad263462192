"""An explanation as named arrays, for numpy and for safetensors.

``T`` answer tokens, ``C`` context tokens (the prompt's, then the answer's), ``F`` a scale's factor
as ``0.5`` or ``1``. Values are raw, as in :class:`mmx_core.explanation.Explanation`.

=========================  ===============  ========  ===================================
name                       shape            dtype     content
=========================  ===============  ========  ===================================
``heatmaps``               ``(T, H, W)``    float32   suppressed and aggregated; logits
``maps.scale_F``           ``(T, h, w)``    float32   logit lens at one scale; logits
``probability.scale_F``    ``(T,)``         float32   of each token at that scale
``rank.scale_F``           ``(T,)``         int64     in the vocabulary; 0 is the top
``divergence.scale_F``     ``(T,)``         float32   from scale 1.0; nats
``relevance``              ``(T, C)``       float32   in [0, 1]; NaN where not context
``text_activation``        ``(T, C)``       float32   logits; NaN where not context
``interference_weights``   ``(T, C)``       float32   zero where it did not interfere
``grounding``              ``(T,)``         float32   share that falls on the image
``token_ids``              ``(C,)``         int64     indices into the vocabulary
``token_positions``        ``(C,)``         int64     in the model's input sequence
``image_file``             ``(bytes,)``     uint8     the PNG or JPEG file; absent if unknown
``image_grounding``        ``(T, I)``       float32   share on each of several images
``image_gain``             ``(T,)``         float32   nats that the image adds; if measured
``image_gains``            ``(T, pictures)``  float32   nats that each of several images adds
``influence``              ``(T, W)``       float32   nats that each word adds; if measured
``estimate``               ``(T, C)``       float32   of it, by one pass; if there is one
``used``                   ``(T, h, w)``    float32   nats that each cell adds; if measured
``alternatives``           ``(E, H, W)``    float32   words explained beside the answer, if any
``alternatives_influence``  ``(E, W)``      float32   of what was said over them; if measured
=========================  ===============  ========  ===================================

With several images (or frames of a video) ``heatmaps``, ``maps.scale_F``, ``used``,
``alternatives`` and ``image_file`` are one array per image, named ``heatmaps.image_0`` and so on.
Maps are NaN where the model does not see the image. The ``W`` words are the metadata's
``context_words``.

``metadata`` is JSON: ``run``, ``tag``, ``step`` and the header of wire_format.md (tokens' texts,
grids, candidates, metrics, settings, model). An npz holds it as a string array without dimensions,
a safetensors file in its own metadata.

    with np.load("explanation.npz") as arrays:
        maps, metadata = arrays["heatmaps"], json.loads(str(arrays["metadata"]))
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmx_core.events.header_writer import alternatives_influence, build_header
from mmx_core.events.privacy import is_private, private_header
from mmx_core.explanation import Explanation

METADATA = "metadata"


def npz_bytes(explanation: Explanation) -> bytes:
    """A compressed npz file; loads without pickle."""
    file = io.BytesIO()
    entries: dict[str, Any] = {
        **named_arrays(explanation),
        METADATA: np.array(metadata_json(explanation)),
    }
    np.savez_compressed(file, **entries)
    return file.getvalue()


def safetensors_bytes(explanation: Explanation) -> bytes:
    """A safetensors file.

    Raises:
        ImportError: safetensors is not installed; the message says how to.
    """
    try:
        from safetensors.numpy import save
    except ImportError:
        raise ImportError(
            "safetensors: expected the package, found none; install it: pip install safetensors, "
            "or use npz, which needs nothing"
        ) from None
    return save(named_arrays(explanation), metadata={METADATA: metadata_json(explanation)})


def named_arrays(explanation: Explanation) -> dict[str, NDArray[Any]]:
    """The arrays of the table above, contiguous."""
    images = range(len(explanation.heatmaps))
    suffixes = [f".image_{index}" for index in images] if len(images) > 1 else [""]
    arrays: dict[str, Any] = {}

    def keep(name: str, per_image: Sequence[NDArray[Any]]) -> None:
        for suffix, array in zip(suffixes, per_image, strict=True):
            arrays[name + suffix] = array.astype(np.float32)

    keep("heatmaps", explanation.heatmaps)
    for scale in explanation.scales:
        name = f"scale_{scale.factor:g}"
        keep(f"maps.{name}", scale.maps)
        arrays[f"probability.{name}"] = scale.probability.astype(np.float32)
        arrays[f"rank.{name}"] = scale.rank.astype(np.int64)
        arrays[f"divergence.{name}"] = scale.divergence.astype(np.float32)
    for name in ("relevance", "text_activation", "interference_weights", "grounding"):
        arrays[name] = getattr(explanation, name).astype(np.float32)
    arrays["token_ids"] = np.array([token.id for token in explanation.context], np.int64)
    arrays["token_positions"] = np.array([t.position for t in explanation.context], np.int64)
    for suffix, entry in zip(suffixes, explanation.images, strict=False):
        if entry.image is not None:
            arrays["image_file" + suffix] = np.frombuffer(entry.image.data, np.uint8)
    for name in ("image_grounding", "image_gain", "image_gains", "influence", "estimate"):
        if (values := getattr(explanation, name)) is not None:
            arrays[name] = values.astype(np.float32)
    if explanation.alternatives:
        beside = [entry.heatmaps for entry in explanation.alternatives]
        keep("alternatives", [np.stack([maps[index] for maps in beside]) for index in images])
    if explanation.used is not None:
        keep("used", explanation.used)
    if (reasons := alternatives_influence(explanation)) is not None:
        arrays["alternatives_influence"] = reasons.astype(np.float32)
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def metadata_json(explanation: Explanation) -> str:
    """Everything that is no array, as JSON; without paths where ``MMX_PRIVATE`` says so."""
    header = build_header(explanation)
    if is_private():
        header = private_header(header)
    del header["blobs"]  # where the arrays lie in an event file
    place = {"run": explanation.run, "tag": explanation.tag, "step": explanation.step}
    return json.dumps({**place, **header}, allow_nan=False)
