"""The explained answer's tokens: where they end, and what of them is no text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from mmx_core.images import Picture
from mmx_core.models.answered import without_lead
from mmx_core.models.base import ModelAdapter
from mmx_core.models.chat import RenderedPrompt, special_ids
from mmx_core.models.layout import Layout
from mmx_core.text.thoughts import closes_thought
from mmx_core.text.tokens import characters_of_tokens

_GREEDY: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "penalty_alpha": None,
    "dola_layers": None,
    "constraints": None,
    "force_words_ids": None,
    "guidance_scale": 1.0,
    "watermarking_config": None,
    "token_healing": False,
    "prompt_lookup_num_tokens": None,
    "assistant_early_exit": None,
    "use_mtp": None,
    "is_assistant": False,
    "max_time": None,
}
"""What lets a checkpoint answer otherwise than greedily, and the value with which it does not."""

_QUIET: dict[str, Any] = {
    "return_dict_in_generate": False,
    "output_scores": False,
    "output_logits": False,
    "output_attentions": False,
    "output_hidden_states": False,
    "early_stopping": False,
    "length_penalty": 1.0,
    "diversity_penalty": 0.0,
    "cache_implementation": None,
    "stop_strings": None,
}
"""What changes no greedy answer, only how it is made and handed out; what stops it is cut off."""


_SHAPING: dict[str, Any] = {
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "sequence_bias": None,
    "exponential_decay_length_penalty": None,
    "forced_eos_token_id": None,
    "min_length": 0,
    "min_new_tokens": None,
}
"""What makes a greedy answer another than the model's first choices, and is honoured."""


def generated(
    adapter: ModelAdapter,
    pictures: Sequence[Picture],
    rendered: RenderedPrompt,
    limit: int,
    *,
    layouts: Sequence[Layout] | None = None,
) -> list[int]:
    """The tokens of the model's own answer, greedily, without what ends it.

    Args:
        adapter: The model's.
        pictures: Of the conversation.
        rendered: The conversation up to the answer.
        limit: Most tokens.
        layouts: Of the pictures at scale 1.0, where they have been computed.

    Raises:
        ValueError: It says nothing, or blanks alone.
    """
    encoded = adapter.encode(pictures, rendered, [], factor=1.0, layouts=layouts)
    config = getattr(adapter.model, "generation_config", None)
    ends = ends_of(adapter, rendered)
    if shaping := shaped_by(adapter):
        warnings.warn(
            "answers are generated as the checkpoint's generation config asks, with "
            + ", ".join(f"{name}={value!r}" for name, value in shaping.items())
            + "; probabilities and ranks are the model's without it, so that some token may not be "
            "its first choice",
            stacklevel=1,  # the same place for all that ask: it is said once
        )
    found = adapter.generate(
        **encoded.inputs,
        max_new_tokens=limit,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        use_cache=True,
        **_greedy(config),
        **({"eos_token_id": sorted(ends)} if ends else {}),
    )
    ids = cast("list[int]", found[0, encoded.prompt_length :].tolist())
    ids = _before_stops(adapter, _before_end(adapter, ids, ends), _stop_strings(config))
    if not decode_answer(adapter, ids).strip():
        raise ValueError(
            "answer: the model generated nothing but blanks before its end; give an answer to "
            "teacher-force instead"
            if ids
            else "answer: the model generated nothing before its end token; give an answer to "
            "teacher-force instead"
        )
    if told := thought_told(adapter, rendered, ids):
        warnings.warn(f"answer: {told['thought']} (max_new_tokens={limit})", stacklevel=2)
    return ids


def thought_told(
    adapter: ModelAdapter, rendered: RenderedPrompt, answer_ids: Sequence[int]
) -> dict[str, str]:
    """How an answer stands to the thought that the prompt opens, where that could be mistaken.

    The same words are an unfinished thought in it and an answer behind it.
    """
    if rendered.closed:
        told = "given without one, the answer stands behind a closed or no thought; one that is "
        return {"thought": f"{told}unfinished begins with {rendered.closed.strip()!r}"}
    if not rendered.thought or closes_thought(decode_answer(adapter, answer_ids)):
        return {}
    told = "it is a thought that had not ended; where it is given back, "
    return {"thought": f"{told}begin it with {rendered.thought.strip()!r}, else it is an answer"}


def given(adapter: ModelAdapter, rendered: RenderedPrompt) -> tuple[str, list[int]] | None:
    """A given answer's text and tokens, without what ends it; None where the model is to answer.

    Raises:
        ValueError: Nothing is left, something stands behind its end, or it has a token that is no
            text and could not be the model's.
    """
    if rendered.answer is None or rendered.answer_ids is None:
        return None
    text, ids = rendered.answer, list(rendered.answer_ids)
    ends = ends_of(adapter, rendered)
    end = next((index for index, token in enumerate(ids) if token in ends), len(ids))
    behind = [t for t in ids[end:] if t not in ends and t != adapter.tokenizer.pad_token_id]
    if decode_answer(adapter, behind).strip():
        raise ValueError(
            f"answer: expected one that ends where the model's would, got text behind "
            f"{adapter.token_text(ids[end])!r} in {text!r}"
        )
    wrong = {adapter.tokenizer.unk_token_id, *_pictures_of(adapter)}
    special = [token for token in ids[:end] if token in wrong]
    if special:
        raise ValueError(
            f"answer: expected plain text, got special tokens "
            f"{adapter.tokenizer.convert_ids_to_tokens(special)} in {text!r}; leave them out (a "
            "word outside the vocabulary may have become one)"
        )
    said = _unpadded(adapter, ids[:end])
    if len(said) < len(ids):
        ids, text = said, decode_answer(adapter, said, rendered.lead)
    if not ids or not text.strip():
        raise ValueError("answer: expected text or None (to generate one), got nothing")
    lost = _without_tokens(adapter, text, ids)
    if lost:
        warnings.warn(
            f"answer: the vocabulary has no token for {lost!r} in {text!r}; that is left out of "
            "what is explained",
            stacklevel=2,
        )
    return text, ids


def _without_tokens(adapter: ModelAdapter, text: str, ids: Sequence[int]) -> str:
    """The letters of an answer that no token carries: a released vocabulary may lack some bytes."""
    if decode_answer(adapter, ids).strip() == text.strip():
        return ""
    spans = characters_of_tokens(adapter.tokenizer, text, ids)
    held = {place for span in spans for place in range(*span)}
    return "".join(
        letter for at, letter in enumerate(text) if at not in held and not letter.isspace()
    )


def decode_answer(adapter: ModelAdapter, answer_ids: Sequence[int], lead: str = "") -> str:
    """The text of a generated answer, markers within and line breaks at its edges included.

    Args:
        adapter: The model's.
        answer_ids: Its tokens.
        lead: Blanks that its first word is said with, which are left out.
    """
    decoded = adapter.tokenizer.decode(list(answer_ids), clean_up_tokenization_spaces=False)
    return without_lead(str(decoded), lead)


def ends_of(adapter: ModelAdapter, rendered: RenderedPrompt) -> frozenset[int]:
    """Tokens that end an answer: those that the checkpoint names, and what its template closes by.

    Markers within an answer (of boxes, of thoughts, of tool calls) are special tokens, too, and
    end nothing.
    """
    model, tokenizer = adapter.model, adapter.tokenizer
    named = _ids_of(getattr(model, "generation_config", None))
    configured = _ids_of(model.config) | _ids_of(model.config.get_text_config())
    # A configuration that names none has its class's default, which may be a word here.
    return named | (configured & special_ids(tokenizer)) | _ids_of(tokenizer) | rendered.closers


def _ids_of(holder: Any) -> frozenset[int]:
    value = getattr(holder, "eos_token_id", None)
    return frozenset(() if value is None else np.ravel(value).astype(int).tolist())


def _pictures_of(adapter: ModelAdapter) -> frozenset[int]:
    """Tokens that stand for what is no text, in the prompt or once that is expanded."""
    names = ("image_token_id", "video_token_id", "audio_token_id")
    found = [getattr(adapter.model.config, name, None) for name in names]
    found += [adapter.placeholder_id, adapter.video_placeholder_id]
    return frozenset(token for token in found if isinstance(token, int))


def _greedy(config: Any) -> dict[str, Any]:
    """What makes a checkpoint's settings of generation greedy; warns of those that it changes."""
    asked = _set_in(config, {**_GREEDY, **_QUIET})
    ignored = [f"{name}={value!r}" for name, value in asked.items() if name in _GREEDY]
    if ignored:
        warnings.warn(
            f"the checkpoint's generation config asks for {', '.join(ignored)}, which is ignored: "
            "explained answers are generated greedily, one for each sample",
            stacklevel=2,
        )
    changed = {name: {**_GREEDY, **_QUIET}[name] for name in asked}
    changed.pop("do_sample", None)
    return changed


def shaped_by(adapter: ModelAdapter) -> dict[str, Any]:
    """Settings of generation that the model's own answers follow and its probabilities do not."""
    return _set_in(getattr(adapter.model, "generation_config", None), _SHAPING)


def _set_in(config: Any, neutral: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, usual in neutral.items()
        if (value := getattr(config, name, None)) is not None and value != usual
    }


def _stop_strings(config: Any) -> list[str]:
    stops = getattr(config, "stop_strings", None) or []
    return [stops] if isinstance(stops, str) else list(stops)


def _before_end(adapter: ModelAdapter, ids: list[int], ends: frozenset[int]) -> list[int]:
    end = next((index for index, token in enumerate(ids) if token in ends), len(ids))
    ids = _unpadded(adapter, ids[:end])
    pictures = _pictures_of(adapter)
    shown = next((index for index, token in enumerate(ids) if token in pictures), len(ids))
    if shown < len(ids):
        warnings.warn(
            f"the model answered with the placeholder {adapter.token_text(ids[shown])!r}, which "
            "stands for a picture that there is not; what it said before is explained",
            stacklevel=2,
        )
    return ids[:shown]


def _unpadded(adapter: ModelAdapter, ids: list[int]) -> list[int]:
    padding = getattr(adapter.tokenizer, "pad_token_id", None)
    end = len(ids)
    while end and ids[end - 1] == padding:
        end -= 1
    return ids[:end]


def _before_stops(adapter: ModelAdapter, ids: list[int], stops: Sequence[str]) -> list[int]:
    """Without the text that the checkpoint stops at; a token that holds more than it stays."""

    def text(count: int) -> str:
        return str(adapter.tokenizer.decode(ids[:count], clean_up_tokenization_spaces=False))

    count = len(ids)
    whole = text(count)
    found = [at for at in (whole.find(stop) for stop in stops if stop) if at >= 0]
    while found and count and len(text(count - 1)) >= min(found):
        count -= 1
    return ids[:count]
