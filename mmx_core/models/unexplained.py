"""Families of transformers that cannot be explained, and why: a sentence for each."""

from __future__ import annotations

from typing import Any

_ENCODES = "its text is read by an encoder, so that an answer is no part of its input"
_QUERIES = (
    "its visual tokens are queries that look at the whole picture each, and it has no adapter that "
    "hides the picture's parts"
)
_CODES = "it turns a picture into codes of its vocabulary, and has no adapter"
_GRIDS = (
    "its pictures are cut into grids or tiles by rules of its own, and it has no adapter that "
    "follows them yet"
)
_NOT_SAYING = {
    "shieldgemma2": "it says whether a picture is safe and writes no answer",
    "pi0": "it moves a robot and writes no answer",
    "diffusion_gemma": "it writes its answer's tokens all together, not one after another",
    "evolla": "it reads proteins, not pictures",
}
REASONS: dict[str, str] = {
    **_NOT_SAYING,
    **dict.fromkeys(("florence2", "t5gemma2", "udop", "vision-encoder-decoder"), _ENCODES),
    **dict.fromkeys(("pix2struct", "pp_formulanet"), _ENCODES),
    "instructblipvideo": _QUERIES,
    **dict.fromkeys(("chameleon", "emu3"), _CODES),
    **dict.fromkeys(("dots3_note", "fuyu", "glm5_next", "inkling2", "minicpm_ocr"), _GRIDS),
    **dict.fromkeys(("minimax_m3_vl", "muse_glimmer", "muse_spark", "nemotron_h_omni"), _GRIDS),
    **dict.fromkeys(("step3p7", "unlimited_ocr"), _GRIDS),
    "granite4_vision": (
        "its picture enters the text model at deeper layers, too, and it has no adapter yet"
    ),
}
"""By ``model_type``."""


def reason_against(config: Any) -> str | None:
    """Why models of a configuration cannot be explained, where that is known."""
    found = REASONS.get(str(getattr(config, "model_type", None)))
    if found is None and getattr(config, "is_encoder_decoder", False):
        return _ENCODES
    return found
