"""The model: SmolLM2 under SmolVLM's class, a small tower, and the file of what was learnt.

An image is one tile of 128 pixels and 8 x 8 visual tokens; twice as large it is four tiles and the
whole. The file holds tower, connector and low-rank update in float16, no language model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoTokenizer

from tests.benchmarks.pretrained import lora
from tests.support.smollm2 import folder, under_smolvlm
from tests.support.tiny_models import TinyModel

TILE, PATCH, SHUFFLE = 128, 8, 2
CELL = PATCH * SHUFFLE
CELLS = TILE // CELL
VISION = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": TILE,
    "patch_size": PATCH,
}
KIND = "mmx pretrained benchmark: tower, connector, low-rank update"
RELEASED = Path(__file__).parent / "weights.safetensors"
_PARTS = ("vision_model", "connector", "update")


def build() -> TinyModel:
    """The pretrained language model with a fresh tower; the markers' embeddings are the mean's."""
    made = under_smolvlm("smollm2", VISION, shuffle=SHUFFLE, longest=TILE)
    known = len(AutoTokenizer.from_pretrained(folder()))
    table = made.model.get_input_embeddings().weight
    with torch.no_grad():
        table[known:] = table[:known].mean(dim=0)
    return made


def save(model: Any, path: Path, *, step: int) -> None:
    """Writes what was learnt; ``model`` has the low-rank update beside its layers.

    Args:
        model: As :func:`build` and :func:`lora.add` left it, trained.
        path: The file.
        step: Of the joint stage, to be read by people.
    """
    inner = model.model
    parts = {
        "vision_model": inner.vision_model.state_dict(),
        "connector": inner.connector.state_dict(),
        "update": lora.learnt(inner.text_model),
    }
    tensors = {
        f"{part}/{name}": value.detach().half().contiguous()
        for part, state in parts.items()
        for name, value in state.items()
    }
    save_file(tensors, path, metadata={"kind": KIND, "step": str(step)})


def load(path: Path = RELEASED) -> TinyModel:
    """The model as it was trained, its low-rank update merged.

    Args:
        path: Of :func:`save`.

    Raises:
        FileNotFoundError: There is none.
        ValueError: The file is another one's.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected what was learnt, found no file; run "
            "`python -m tests.benchmarks.pretrained train`"
        )
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
    with safe_open(path, framework="pt") as file:
        kind = (file.metadata() or {}).get("kind")
        if kind != KIND:
            raise ValueError(f"{path}: expected a file of kind {KIND!r}, got {kind!r}")
        for name in file.keys():  # noqa: SIM118 - it is no mapping
            part, _, rest = name.partition("/")
            parts[part][rest] = file.get_tensor(name).float()
    made = build()
    inner = made.model.model
    inner.vision_model.load_state_dict(parts["vision_model"])
    inner.connector.load_state_dict(parts["connector"])
    lora.merge(inner.text_model, parts["update"])
    return made
