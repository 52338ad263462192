"""What becomes of every class of transformers that answers about pictures."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mmx_core.models import adapter_for, families
from mmx_core.models.unexplained import REASONS

DOCS = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def refused(**config: Any) -> str:
    model = torch.nn.Linear(1, 1)
    model.config = SimpleNamespace(**config)  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"cannot be explained: .*; expected another") as told:
        adapter_for(model, image_processor=None, tokenizer=None)
    return str(told.value)


def test_the_documents_say_of_every_class_of_transformers_where_it_stands() -> None:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KNOWN,
    )

    named = set(re.findall(r"`([\w.-]+)`", DOCS))
    assert not set(KNOWN) - named
    assert not (set(REASONS) | {f for f in families() if "/" not in f}) - named


def test_no_family_has_both_an_adapter_and_a_reason_against_it() -> None:
    assert not set(REASONS) & set(families())


@pytest.mark.parametrize("model_type", REASONS)
def test_a_family_that_cannot_be_explained_is_refused_with_the_reason(model_type: str) -> None:
    assert REASONS[model_type] in refused(model_type=model_type)


def test_an_encoder_decoder_of_any_class_is_refused() -> None:
    told = refused(model_type="never_heard_of", is_encoder_decoder=True)
    assert "an answer is no part of its input" in told


def test_a_class_without_what_the_generic_adapter_needs_is_refused_by_name() -> None:
    model = torch.nn.Linear(1, 1)
    for model_type in ("git", "mistral4"):
        model.config = SimpleNamespace(model_type=model_type)  # type: ignore[assignment]
        told = f"no adapter for Linear .*'{model_type}'.*which has no get_image_features either"
        with pytest.raises(ValueError, match=told):
            adapter_for(model, image_processor=None, tokenizer=None)
