"""The golden file that holds the wire format from both ends.

``explanation.bin`` is an answer of the ``blobs`` route for two steps and one that failed;
``explanation.json`` says what it must decode to. The TypeScript tests decode the same pair.
Written by ``python -m tests.events.golden``.
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
from mmx_core.explanation import Explanation
from tb_mmx_plugin.frame import StepBlobs, frame_steps
from tests.support.explanations import make_explanation

FOLDER = Path(__file__).parents[2] / "frontend" / "tests" / "golden"
DTYPES = ("uint8", "float16", "float32", "json", "raw")


def explanations() -> dict[int, Explanation]:
    """Two steps; the first has a constant map, a NaN cell, a NaN metric and no ASCII."""
    first = make_explanation(3, 3, ((0.5, (2, 3)), (1.0, (4, 5))), seed=1)
    maps = first.base.maps.copy()
    maps[0] = 2.5
    maps[1, 2, 3] = np.nan
    grounding = first.grounding.copy()
    grounding[1] = np.nan
    first = replace(
        first,
        prompt="décris l'image 🟥 .",
        scales=(first.scales[0], replace(first.scales[1], maps=maps)),
        grounding=grounding,
        metrics={"obj_iou": 0.5, "func_iou": float("nan")},
    )
    return {0: first, 300: make_explanation(3, 3, ((0.5, (2, 3)), (1.0, (4, 5))), seed=2)}


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
    (FOLDER / "explanation.bin").write_bytes(framed)
    text = json.dumps(decoded, ensure_ascii=False, allow_nan=False)
    (FOLDER / "explanation.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
