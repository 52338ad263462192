"""Loading a checkpoint with what belongs to it, with or without torchvision."""

from __future__ import annotations

import os
from typing import Any

import torch

from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.registry import adapter_class, unwrapped


def load_parts(
    name_or_path: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str = "auto",
) -> tuple[Any, Any, Any, str | None]:
    """Loads ``(model, image processor, tokenizer, chat template)``.

    Processors of several families need torchvision for video; image processor and tokenizer do
    not. So the parts are loaded, and a chat template that lives in the processor's own file is
    read beside them.

    Args:
        name_or_path: A checkpoint directory or a hub id.
        device: CUDA if there is one, by default.
        dtype: Of the weights; ``auto`` is that of the file, but float32 on a CPU, where half
            precision is several times slower.
    """
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto" and torch.device(device).type == "cpu":
        dtype = torch.float32
    model = AutoModelForImageTextToText.from_pretrained(name_or_path, dtype=dtype)
    model = model.eval().to(device)
    image_processor = _image_processor(name_or_path, unwrapped(model).config)
    tokenizer = AutoTokenizer.from_pretrained(name_or_path)
    template = None if tokenizer.chat_template else _processor_template(name_or_path)
    return model, image_processor, tokenizer, template


def _image_processor(name_or_path: str | os.PathLike[str], config: Any) -> Any:
    """The image processor, or its settings where an adapter reads no more of it."""
    adapter = adapter_class(config)
    if adapter is not None and issubclass(adapter, ReadsSettings):
        from transformers.image_processing_base import ImageProcessingMixin

        written, _ = ImageProcessingMixin.get_image_processor_dict(name_or_path)
        return adapter.settings(written)
    # Its name at the top of the package asks for torchvision before transformers 5.18.
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(name_or_path)


def _processor_template(name_or_path: str | os.PathLike[str]) -> str | None:
    from transformers.utils import cached_file

    for name, key in (("chat_template.jinja", None), ("chat_template.json", "chat_template")):
        path = cached_file(
            str(name_or_path),
            name,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if path is None:
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if key is None:
            return text
        import json

        return str(json.loads(text)[key])
    return None
