"""What is saved is loaded again as a checkpoint on the hub is, with nothing but its directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmx_core import Explainer
from tests.models.criteria import PROMPT, noise
from tests.models.test_families import ANSWER, tiny_of
from tests.models.test_torchvision import PROCESSORS as TORCHVISION
from tests.support.tiny_models import TinyModel

NULLS = dict.fromkeys(("crop_size", "do_center_crop", "do_pad", "device"))


def saved(tiny: TinyModel, folder: Path, files: dict[str, dict[str, Any]]) -> Path:
    """The checkpoint of a model, and beside it configuration files as they are released."""
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def assert_explains_alike(tiny: TinyModel, folder: Path) -> None:
    loaded = Explainer.from_pretrained(folder, device="cpu", scales=(1.0, 2.0))
    given = Explainer(tiny.model, **tiny.parts, scales=(1.0, 2.0))
    images = [noise(96, 140), noise(70, 80, seed=1)]
    found = loaded.explain(images, PROMPT, answer=ANSWER)
    expected = given.explain(images, PROMPT, answer=ANSWER)
    assert [token.id for token in found.tokens] == [token.id for token in expected.tokens]
    for one, other in zip(found.heatmaps, expected.heatmaps, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.nanmax(other))


@pytest.mark.parametrize("family", TORCHVISION)
def test_an_image_processor_of_torchvisions_is_read_from_its_own_file(
    family: str, tmp_path: Path
) -> None:
    tiny = tiny_of(family)
    own = {**NULLS, **vars(tiny.image_processor), "image_processor_type": "NoSuchProcessorFast"}
    # The processor's own file stands beside it and says nothing of images.
    files = {"preprocessor_config.json": own, "processor_config.json": {"image_token": "<image>"}}
    assert_explains_alike(tiny, saved(tiny, tmp_path, files))


@pytest.mark.parametrize("family", TORCHVISION)
def test_an_image_processor_of_torchvisions_is_read_from_the_processors_file(
    family: str, tmp_path: Path
) -> None:
    tiny = tiny_of(family)
    own = {**NULLS, **vars(tiny.image_processor)}
    files = {"processor_config.json": {"image_processor": own, "image_token": "<image>"}}
    assert_explains_alike(tiny, saved(tiny, tmp_path, files))


def test_kimis_released_file_names_its_settings_otherwise(tmp_path: Path) -> None:
    released = {
        "auto_map": {"AutoImageProcessor": "kimi_k25_vision_processing.KimiK25VisionProcessor"},
        "media_proc_cfg": {
            "in_patch_limit": 400,
            "patch_size": 8,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "merge_kernel_size": 2,
            "fixed_output_tokens": None,
            "patch_limit_on_one_side": 32,
            "in_patch_limit_each_frame": 100,
            "in_patch_limit_video": None,
        },
    }
    tiny = tiny_of("kimi_k25")
    folder = saved(tiny, tmp_path, {"preprocessor_config.json": released})
    assert_explains_alike(tiny, folder)
