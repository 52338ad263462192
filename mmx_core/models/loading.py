"""Loading a checkpoint with what belongs to it, with or without torchvision."""

from __future__ import annotations

import json
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

    Processors of several families need torchvision for video, and image processors of some for
    images. So the parts are loaded, of such an image processor the settings alone, and a chat
    template that lives in the processor's own file is read beside them.

    Args:
        name_or_path: A checkpoint directory or a hub id.
        device: CUDA if there is one, by default.
        dtype: Of the weights; ``auto`` is that of the file, but float32 on a CPU, where half
            precision is several times slower.
    """
    from transformers import AutoTokenizer

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto" and torch.device(device).type == "cpu":
        dtype = torch.float32
    model = _model(name_or_path, dtype).eval().to(device)
    image_processor = _image_processor(name_or_path, unwrapped(model).config)
    tokenizer = AutoTokenizer.from_pretrained(name_or_path)
    if getattr(unwrapped(model).config, "qformer_config", None) and _text(
        name_or_path, "qformer_tokenizer/tokenizer_config.json"
    ):
        more = AutoTokenizer.from_pretrained(name_or_path, subfolder="qformer_tokenizer")
        tokenizer.qformer_tokenizer = more
    template = None if tokenizer.chat_template else _processor_template(name_or_path)
    return model, image_processor, tokenizer, template


def _model(name_or_path: str | os.PathLike[str], dtype: torch.dtype | str) -> Any:
    """The model; of a whole Qwen-Omni the thinker, which writes, without what speaks.

    Raises:
        ValueError: This version of transformers does not find the thinker's weights.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText

    load = AutoModelForImageTextToText.from_pretrained
    # A checkpoint of PEFT's has no configuration of its own.
    written = json.loads(_text(name_or_path, "config.json") or "{}")
    if "thinker_config" not in written:
        return load(name_or_path, dtype=dtype)
    config = AutoConfig.from_pretrained(name_or_path).thinker_config
    model, found = load(name_or_path, config=config, dtype=dtype, output_loading_info=True)
    if found["missing_keys"]:
        import transformers

        raise ValueError(
            f"model: transformers {transformers.__version__} finds no weights of the thinker in "
            f"{name_or_path} ({len(found['missing_keys'])} missing); upgrade it, or load the whole "
            "model yourself and give it to Explainer"
        )
    return model


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
    template = _text(name_or_path, "chat_template.jinja")
    if template is None:
        written = _text(name_or_path, "chat_template.json")
        template = None if written is None else str(json.loads(written)["chat_template"])
    return template


def _text(name_or_path: str | os.PathLike[str], name: str) -> str | None:
    """What a checkpoint's file says, where there is one."""
    from transformers.utils import cached_file

    path = cached_file(
        str(name_or_path),
        name,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if path is None:
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()
