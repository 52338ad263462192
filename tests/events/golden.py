"""The golden file that holds the wire format from both ends.

``several.bin`` is an answer of the ``blobs`` route for two steps and one that failed;
``several.json`` says what it must decode to. The TypeScript tests decode the same pair. Written by
``python -m tests.events.golden``. ``explanation.bin`` is what the first writer wrote, before there
were several images, turns or alternatives; it is kept as it is, so that old logs stay readable.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmx_core.events.blob import decode_array, decode_json
from mmx_core.events.wire import encode_explanation
from mmx_core.explanation import (
    Alternative,
    ContextWord,
    ExplainedImage,
    Explanation,
    ObjectMask,
    WordGroup,
)
from tb_mmx_plugin.frame import StepBlobs, frame_steps
from tests.support.explanations import make_explanation

FOLDER = Path(__file__).parents[2] / "frontend" / "tests" / "golden"
FIRST, CURRENT = "explanation", "several"
"""What the first writer wrote, kept for good; and what this version writes."""
DTYPES = ("uint8", "float16", "float32", "json", "raw")


def explanations() -> dict[int, Explanation]:
    """Two steps; the first has a constant map, a NaN cell, a NaN metric and no ASCII.

    The second has an image and a video of two patches, a conversation, two words explained beside
    the answer, and two objects.
    """
    first = make_explanation(3, 3, ((0.5, (2, 3)), (1.0, (4, 5))), seed=1)
    maps = first.base.map.copy()
    maps[0] = 2.5
    maps[1, 2, 3] = np.nan
    grounding = first.grounding.copy()
    grounding[1] = np.nan
    first = replace(
        first,
        prompt="décris l'image 🟥 .",
        scales=(first.scales[0], replace(first.scales[1], maps=(maps,))),
        grounding=grounding,
        metrics={"obj_iou": 0.5, "func_iou": float("nan")},
    )
    return {0: first, 300: several(seed=2)}


def several(seed: int) -> Explanation:
    """An image and a video of two patches, each with maps of its own."""
    parts = [
        make_explanation(3, 3, ((0.5, (2, 3)), (1.0, grid)), seed=seed + index)
        for index, grid in enumerate([(4, 5), (3, 2), (3, 2)])
    ]
    first = parts[0]
    random = np.random.default_rng(seed)
    measured = np.random.default_rng(seed + 100)
    words = ("red 🐕", "hidden", 1, 2), (" is", "replaced", 3, 1), (" left", "unmeasured", 4, 1)
    influence = measured.normal(size=(3, 3)).astype(np.float32)
    influence[:2, 1:] = np.nan
    shares = random.dirichlet(np.ones(4), size=3).astype(np.float32)[:, :3]
    images = [part.image for part in parts]
    return replace(
        first,
        context=tuple(replace(token, turn=max(0, k - 1)) for k, token in enumerate(first.context)),
        tokens=tuple(replace(token, turn=k + 2) for k, token in enumerate(first.tokens)),
        turns=("user", "assistant", "user", "assistant", "assistant"),
        heatmaps=tuple(part.heatmap for part in parts),
        scales=tuple(
            replace(
                scale,
                grids=tuple(part.scales[index].grid for part in parts),
                maps=tuple(part.scales[index].map for part in parts),
            )
            for index, scale in enumerate(first.scales)
        ),
        images=(
            ExplainedImage(images[0], 0),
            ExplainedImage(images[1], 1, (0, 1), (0.0, 0.5)),
            ExplainedImage(None, 1, (2,), (1.0,)),
        ),
        image_grounding=shares,
        grounding=shares.sum(axis=1),
        image_gain=np.array([2.5, np.nan, -0.125], np.float32),
        image_gains=random.normal(size=(3, 2)).astype(np.float32),
        influence=influence,
        context_words=tuple(ContextWord(at, count, text, how) for text, how, at, count in words),
        estimate=measured.random((3, 6), "f4"),
        used=tuple(measured.normal(size=part.base.map.shape).astype("f4") for part in parts),
        words=tuple(
            WordGroup(first, text)
            for first, text in ((0, "<|im_start|>"), (1, " red 🐕"), (3, " is"), (4, " left of"))
        ),
        objects=(
            ObjectMask("red 🐕", (0, 1), 4, 6, (7, 3, 3, 3, 8)),
            ObjectMask("", (2,), 1, 2, (0, 1, 1)),
        ),
        alternatives=tuple(
            Alternative(
                context_index=place,
                candidate=first.candidates[4][rank],
                heatmaps=tuple(random.random(part.heatmap.shape[1:], "f4") for part in parts),
                grounding=0.25,
                influence=measured.normal(size=3).astype(np.float32),
                image_gain=1.5 if rank else None,
            )
            for place, rank in ((4, 1), (1, 0))
        ),
    )


def build() -> tuple[bytes, dict[str, Any]]:
    """Builds the framed bytes and what they must decode to."""
    steps = [
        StepBlobs(step, 1_700_000_000.5 + step, encode_explanation(explanation))
        for step, explanation in explanations().items()
    ]
    framed = frame_steps([*steps, StepBlobs(600, error="step 600 is not kept")])
    return framed, expected(framed)


def expected(framed: bytes) -> dict[str, Any]:
    """Decodes framed bytes into plain JSON: NaN is null, arrays are flat lists with a shape."""
    (length,) = struct.unpack_from("<I", framed)
    frame = json.loads(framed[4 : 4 + length])
    position, steps = 4 + length, []
    for entry in frame:
        if "error" in entry:
            steps.append(entry)
            continue
        blobs = []
        for size in entry["blobs"]:
            blobs.append(framed[position : position + size])
            position += size
        header = decode_json(blobs[0])
        arrays = [
            {**name, "dtype": DTYPES[blob[5]], **_values(blob)}
            for name, blob in zip(header["blobs"], blobs[1:], strict=True)
        ]
        steps.append(
            {
                "step": entry["step"],
                "wall_time": entry["wall_time"],
                "header": header,
                "arrays": arrays,
            }
        )
    if position != len(framed):
        raise ValueError(f"expected {position} bytes, got {len(framed)}")
    return {"steps": steps}


def _values(blob: bytes) -> dict[str, Any]:
    array = decode_array(blob)
    values = [None if np.isnan(value) else float(value) for value in array.ravel()]
    return {"shape": list(array.shape), "values": values}


def main() -> None:
    """Writes the golden files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    framed, decoded = build()
    (FOLDER / f"{CURRENT}.bin").write_bytes(framed)
    text = json.dumps(decoded, ensure_ascii=False, allow_nan=False)
    (FOLDER / f"{CURRENT}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
