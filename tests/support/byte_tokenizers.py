"""Tokenizers whose tokens may be parts of characters, of the shapes that released models have.

Trained on a few sentences, so that common words are single tokens, and of what is rare some bytes
are merged and others are not: a token may end within one character and hold the blank before it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast

END, BOX = "<|end|>", "<|box|>"
SENTENCES = [
    "a red circle is left of a blue square .",
    "the dog's ball, the cat's mat; “a colourful bird” – one, two",
    "a dog and a cat on the mat 🐕 🐈 🐩 🦊",
    "une forêt, l’éléphant, déjà vu",
    "一只猫和一只狗在草地上。",
    "猫がいる 犬もいる",
    "แมวสีดำ",
    "الكلب الأسود والقطة",
    "कुत्ता और बिल्ली",
] * 4
_SPLIT = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"


@cache
def byte_level(*, composing: bool = False) -> PreTrainedTokenizerFast:
    """As of GPT-2, Llama 3, or (where it composes accents) Qwen."""
    tokenizer = Tokenizer(models.BPE())
    if composing:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=430,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[END, BOX],
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)


@cache
def byte_fallback(*, prefixed: bool = True) -> PreTrainedTokenizerFast:
    """As of Llama 2, which writes a blank before the text, or of Gemma, which does not."""
    letters = sorted({letter for letter in "".join(SENTENCES[:4]) if ord(letter) < 0x3000})
    words = ["▁a", "▁dog", "▁the", "▁c", "at", "▁cat", "on", "▁on"]
    vocabulary = {END: 0, BOX: 1, "<unk>": 2}
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces += [letter.replace(" ", "▁") for letter in letters] + ["▁", "do"] + words
    for piece in pieces:
        vocabulary.setdefault(piece, len(vocabulary))
    merges = [("▁", "a"), ("d", "o"), ("▁", "do"), ("▁do", "g"), ("▁", "c"), ("a", "t")]
    merges += [("▁c", "at"), ("o", "n"), ("▁", "on")]
    for pair in merges:
        vocabulary.setdefault("".join(pair), len(vocabulary))
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    )
    blanks = [normalizers.Replace(" ", "▁")]
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), *blanks] if prefixed else blanks
    )
    ends = [decoders.Strip(" ", 1, 0)] if prefixed else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *ends]
    )
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in (END, BOX)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, unk_token="<unk>")


@cache
def word_pieces() -> PreTrainedTokenizerFast:
    """As of BERT: words without their blanks, the rest of a word after ``##``."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=160, show_progress=False, special_tokens=["[UNK]", END]
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, unk_token="[UNK]")


BYTE_TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "byte level": byte_level,
    "byte level, composing": lambda: byte_level(composing=True),
    "byte fallback": byte_fallback,
    "byte fallback, no prefix": lambda: byte_fallback(prefixed=False),
}


class DecodingAlone:
    """A tokenizer that tells nothing but what tokens spell: no places, no names."""

    is_fast = False

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.decode = tokenizer.decode
