"""Which adapter serves which model class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mmx_core.models.base import ModelAdapter

_ADAPTERS: dict[str, type[ModelAdapter]] = {}
Adapter = TypeVar("Adapter", bound=type[ModelAdapter])


def register(*model_types: str) -> Callable[[Adapter], Adapter]:
    """Class decorator: this adapter serves models whose ``config.model_type`` is one of these.

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


def adapter_for(
    model: Any, *, image_processor: Any, tokenizer: Any, chat_template: str | None = None
) -> ModelAdapter:
    """Builds the adapter of a model.

    Raises:
        ValueError: No adapter serves this family; the message lists those that exist.
    """
    _load_own()
    # A PEFT wrapper hands on the config of what it wraps; its layers stay in place inside.
    unwrap = getattr(model, "get_base_model", None)
    model = unwrap() if callable(unwrap) else model
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    adapter = _ADAPTERS.get(model_type) if isinstance(model_type, str) else None
    if adapter is None:
        raise ValueError(
            f"model: no adapter for {type(model).__name__} (model_type {model_type!r}); there are "
            f"adapters for {', '.join(sorted(_ADAPTERS))}. Subclass mmx_core.models.ModelAdapter "
            "and register it with @mmx_core.models.register(model_type)"
        )
    return adapter(
        model, image_processor=image_processor, tokenizer=tokenizer, chat_template=chat_template
    )


def _load_own() -> None:
    from mmx_core.models import qwen_vl  # noqa: F401  registers itself on import
