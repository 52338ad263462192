"""Which adapter serves which model class."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from mmx_core.models.base import ModelAdapter
from mmx_core.models.head import require_head
from mmx_core.models.sharding import sharding_of
from mmx_core.models.unexplained import reason_against

_ADAPTERS: dict[str, type[ModelAdapter]] = {}
_OWN = (
    "aria",
    "aya_vision",
    "blip",
    "blip_2",
    "deepseek_ocr",
    "deepseek_vl",
    "gemma3",
    "gemma3n",
    "gemma4",
    "glm_v",
    "granite_docling",
    "idefics",
    "idefics2",
    "idefics3",
    "internvl",
    "kimi_k25",
    "kosmos",
    "lfm2_vl",
    "llama4",
    "llava",
    "llava_next",
    "minicpm_v",
    "mistral3",
    "mllama",
    "molmo2",
    "ovis2",
    "paligemma",
    "perception_lm",
    "qwen_like",
    "qwen_vl",
    "smolvlm",
    "video_llava",
)
Adapter = TypeVar("Adapter", bound=type[ModelAdapter])


def register(*model_types: str) -> Callable[[Adapter], Adapter]:
    """Class decorator: this adapter serves models whose ``config.model_type`` is one of these.

    A family that puts another tower under the same ``model_type`` is named by both:
    ``"llava/pixtral"`` is ``llava`` with a ``vision_config.model_type`` of ``pixtral``.

    Example:
        >>> @mmx_core.models.register("my_vlm")
        ... class MyAdapter(ModelAdapter): ...
    """

    def keep(adapter: Adapter) -> Adapter:
        for model_type in model_types:
            _ADAPTERS[model_type] = adapter
        return adapter

    return keep


def families() -> list[str]:
    """The ``model_type`` names that have an adapter."""
    _load_own()
    return sorted(_ADAPTERS)


def adapter_class(config: Any) -> type[ModelAdapter] | None:
    """The adapter that is registered for a model's configuration."""
    _load_own()
    model_type = getattr(config, "model_type", None)
    tower = getattr(getattr(config, "vision_config", None), "model_type", None)
    return _ADAPTERS.get(f"{model_type}/{tower}") or _ADAPTERS.get(str(model_type))


def adapter_for(
    model: Any,
    *,
    image_processor: Any,
    tokenizer: Any,
    chat_template: str | None = None,
    places: bool = True,
) -> ModelAdapter:
    """Builds the adapter of a model.

    A model of an unknown family gets :class:`~mmx_core.models.generic.GenericAdapter`, which warns
    of what it assumes; or, where no ``places`` of visual tokens are asked for,
    :class:`~mmx_core.models.generic_hiding.GenericHidingAdapter`.

    Raises:
        ValueError: Not a multimodal model, one without a language head, or one of which it is known
            why it is not explained.
    """
    given, model = model, unwrapped(model)
    sharding = sharding_of(given, model)
    config = getattr(model, "config", None)
    model_type = getattr(config, "model_type", None)
    adapter = adapter_class(config)
    parts = {
        "image_processor": image_processor,
        "tokenizer": tokenizer,
        "chat_template": chat_template,
    }
    if adapter is not None:
        require_head(model)
        built = adapter(model, **parts)
        built.sharding = sharding
        return built
    reason = reason_against(config)
    if reason is not None:
        raise ValueError(
            f"model: {type(model).__name__} (model_type {model_type!r}) cannot be explained: "
            f"{reason}; expected another model (docs/models.md)"
        )
    from mmx_core.models.generic import GenericAdapter
    from mmx_core.models.generic_hiding import GenericHidingAdapter

    owners = (model, getattr(model, "model", None))
    if any(hasattr(owner, "get_image_features") for owner in owners):
        require_head(model)
        built = (GenericAdapter if places else GenericHidingAdapter)(model, **parts)
        built.sharding = sharding
        return built
    raise ValueError(
        f"model: no adapter for {type(model).__name__} (model_type {model_type!r}), which has no "
        f"get_image_features either; there are adapters for {', '.join(sorted(_ADAPTERS))}. "
        "Subclass mmx_core.models.ModelAdapter and register it with "
        "@mmx_core.models.register(model_type)"
    )


def unwrapped(model: Any) -> Any:
    """The model itself, whatever training tools have put around it.

    ``torch.compile``, ``DataParallel``, ``DistributedDataParallel``, ``accelerate`` and DeepSpeed
    wrap it as a module inside another. PEFT hands on what it wraps, with its own layers left in
    place inside. Qwen-Omni holds what writes, the thinker, beside what speaks.
    """
    while True:
        # DeepSpeed's engine has a ``config`` of its own, which is no model's.
        is_model = hasattr(getattr(model, "config", None), "model_type")
        inner = getattr(model, "_orig_mod", None) or (
            model.module if hasattr(model, "module") and not is_model else None
        )
        if inner is None and callable(getattr(model, "get_base_model", None)):
            for name, settings in getattr(model, "peft_config", {}).items():
                if getattr(settings, "is_prompt_learning", False):
                    raise ValueError(
                        f"model: the PEFT adapter {name!r} learns a prompt "
                        f"({settings.peft_type}), which stands before the input and is no part of "
                        "the model inside; expected adapters of its layers, such as LoRA"
                    )
            inner = model.get_base_model()
        if inner is None or inner is model:
            inner = getattr(model, "thinker", None)
        if inner is None:
            return model
        model = inner


def _load_own() -> None:
    for name in _OWN:  # each registers itself on import
        import_module(f"mmx_core.models.{name}")
