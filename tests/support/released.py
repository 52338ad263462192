"""Tokenizers and chat templates of the shape that checkpoints are released with.

Byte-level BPE, and BPE over characters with bytes to fall back on, trained here; special tokens
only where released files have them, so that some are named by no attribute of the tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

_TEXTS = [
    "a red circle is left of a blue square .",
    "the cat sits on the mat",
    "User: describe the image\n\nAssistant: a dog and a cat.\n",
    "\n\n the answer\n\n is a dog",
] * 50
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(
    template: str, special: Sequence[str], *, plain: Sequence[str] = (), **named: Any
) -> PreTrainedTokenizerFast:
    """As of Qwen, Llama 3, SmolVLM: a blank is part of the word behind it.

    Args:
        template: The chat template.
        special: Added tokens that are special.
        plain: Added tokens that are not, such as ``<think>``.
        **named: ``eos_token`` and the like.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        _TEXTS, BpeTrainer(vocab_size=400, show_progress=False, initial_alphabet=alphabet)
    )
    return _with_added(tokenizer, template, special, plain, named)


def byte_fallback(
    template: str,
    special: Sequence[str],
    *,
    plain: Sequence[str] = (),
    dummy: bool = True,
    **named: Any,
) -> PreTrainedTokenizerFast:
    """As of Llama 2 and Gemma: a blank is written ``▁``, and Llama puts one before every text.

    Args:
        template: See :func:`byte_level`, as for the others.
        special: See there.
        plain: See there.
        dummy: Whether a blank is put before the text.
        **named: See there.
    """
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += sorted({letter.replace(" ", "▁") for text in _TEXTS for letter in text})
    merges = []
    for word in sorted({f"▁{word}" for text in _TEXTS for word in text.split()}):
        for length in range(2, len(word) + 1):
            if word[:length] not in pieces:
                pieces.append(word[:length])
                merges.append((word[: length - 1], word[length - 1]))
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, unk_token="<unk>")
    )
    blanks = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = (
        normalizers.Sequence([normalizers.Prepend("▁"), blanks]) if dummy else blanks
    )
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if dummy else steps)
    return _with_added(tokenizer, template, special, plain, {"unk_token": "<unk>", **named})


def _with_added(
    tokenizer: Tokenizer,
    template: str,
    special: Sequence[str],
    plain: Sequence[str],
    named: dict[str, Any],
) -> PreTrainedTokenizerFast:
    add_tokens(tokenizer, special, plain)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=template, **named)


def add_tokens(tokenizer: Tokenizer, special: Sequence[str], plain: Sequence[str]) -> None:
    """Adds tokens that are special, and some that are not."""
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in special])
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in plain])


def special_of(tokenizer: Any) -> list[int]:
    """Ids of the special tokens, named or not."""
    return [id for id, token in tokenizer.added_tokens_decoder.items() if token.special]


def fit(model: Any, tokenizer: Any, image_token: str) -> None:
    """Puts a tokenizer under a tiny model."""
    torch.manual_seed(1)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        for table in (model.get_output_embeddings(), model.get_input_embeddings()):
            table.weight.normal_(0, 0.2)
    names = {
        "image_token_id": image_token,
        "boi_token_index": "<start_of_image>",
        "eoi_token_index": "<end_of_image>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    for name, token in names.items():
        for config in (model.config, model.model.config):
            if hasattr(config, name) and token in tokenizer.get_vocab():
                setattr(config, name, tokenizer.convert_tokens_to_ids(token))


def says(model: Any, ids: Sequence[int]) -> None:
    """Lets the model's ``generate`` answer with these tokens."""

    def generate(**inputs: Any) -> torch.Tensor:
        return torch.cat([inputs["input_ids"], torch.tensor([list(ids)])], 1)

    model.generate = generate


QWEN_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip
QWEN_PLAIN = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>",
              "</tool_response>")  # fmt: skip
_QWEN_PARTS = (
    "{%- macro shown(content) -%}{%- if content is string -%}{{ content }}{%- else -%}"
    "{%- for item in content -%}"
    "{%- if item.type == 'image' or 'image' in item -%}"
    "{%- set count.images = count.images + 1 -%}"
    "{%- if add_vision_id -%}Picture {{ count.images }}: {% endif -%}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{%- elif 'text' in item -%}{{ item.text }}{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{%- endmacro -%}"
)

QWEN2_VL = (
    "{%- set count = namespace(images=0) -%}" + _QWEN_PARTS + "{%- for message in messages -%}"
    "{%- if loop.first and message.role != 'system' -%}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{%- endif -%}"
    "{{ '<|im_start|>' + message.role + '\\n' }}{{ shown(message.content) }}"
    "{{ '<|im_end|>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
"""A system prompt by default, pictures counted if asked."""

QWEN3_VL_THINKING = (
    "{%- set count = namespace(images=0) -%}" + _QWEN_PARTS +
    "{%- if tools -%}{{ '<|im_start|>system\\n' }}"
    "{%- if messages[0].role == 'system' -%}{{ shown(messages[0].content) + '\\n\\n' }}"
    "{%- endif -%}{{ '# Tools\\n' }}{%- for tool in tools -%}{{ tool | tojson }}{%- endfor -%}"
    "{{ '<|im_end|>\\n' }}{%- elif messages[0].role == 'system' -%}"
    "{{ '<|im_start|>system\\n' + shown(messages[0].content) + '<|im_end|>\\n' }}{%- endif -%}"
    "{%- set ns = namespace(last=messages | length - 1, open=true) -%}"
    "{%- for message in messages[::-1] -%}"
    "{%- if ns.open and message.role == 'user' -%}"
    "{%- set asked = shown(message.content) -%}"
    "{%- if not (asked.startswith('<tool_response>') and asked.endswith('</tool_response>')) -%}"
    "{%- set ns.open = false -%}{%- set ns.last = messages | length - 1 - loop.index0 -%}"
    "{%- endif -%}{%- endif -%}{%- endfor -%}"
    "{%- set count.images = 0 -%}"
    "{%- for message in messages -%}{%- set content = shown(message.content) -%}"
    "{%- if message.role == 'user' or (message.role == 'system' and not loop.first) -%}"
    "{{ '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}"
    "{%- elif message.role == 'assistant' -%}"
    "{%- set thought = '' -%}"
    "{%- if message.reasoning_content is string -%}{%- set thought = message.reasoning_content -%}"
    "{%- elif '</think>' in content -%}"
    "{%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1]"
    ".lstrip('\\n') -%}{%- set content = content.split('</think>')[-1].lstrip('\\n') -%}"
    "{%- endif -%}"
    "{%- if loop.index0 > ns.last and (loop.last or thought) -%}"
    "{{ '<|im_start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' "
    "+ content.lstrip('\\n') }}"
    "{%- else -%}{{ '<|im_start|>assistant\\n' + content }}{%- endif -%}"
    "{%- for call in message.tool_calls or [] -%}"
    "{%- if (loop.first and content) or not loop.first -%}{{ '\\n' }}{%- endif -%}"
    "{%- set call = call.function or call -%}"
    "{{ '<tool_call>\\n{\"name\": \"' + call.name + '\", \"arguments\": ' }}"
    "{%- if call.arguments is string -%}{{ call.arguments }}"
    "{%- else -%}{{ call.arguments | tojson }}{%- endif -%}"
    "{{ '}\\n</tool_call>' }}{%- endfor -%}{{ '<|im_end|>\\n' }}"
    "{%- elif message.role == 'tool' -%}"
    "{%- if loop.first or messages[loop.index0 - 1].role != 'tool' -%}"
    "{{ '<|im_start|>user' }}{%- endif -%}"
    "{{ '\\n<tool_response>\\n' + content + '\\n</tool_response>' }}"
    "{%- if loop.last or messages[loop.index0 + 1].role != 'tool' -%}"
    "{{ '<|im_end|>\\n' }}{%- endif -%}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false -%}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{%- else -%}{{ '<think>\\n' }}{%- endif -%}{%- endif -%}"
)  # fmt: skip
"""The generation prompt opens a thought; those of earlier turns are dropped."""

GLM_SPECIAL = (
    "<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>",
    "<|observation|>", "<|begin_of_image|>", "<|image|>", "<|end_of_image|>",
    "<|begin_of_box|>", "<|end_of_box|>",
)  # fmt: skip
GLM_PLAIN = ("<think>", "</think>", "/nothink")
GLM_4V = (
    "[gMASK]<sop>{%- macro said(content) -%}{%- if content is string -%}{{ content }}"
    "{%- else -%}{%- for item in content -%}{%- if item.type == 'text' -%}{{ item.text }}"
    "{%- endif -%}{%- endfor -%}{%- endif -%}{%- endmacro -%}"
    "{%- set ns = namespace(last=-1) -%}{%- for m in messages -%}{%- if m.role == 'user' -%}"
    "{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}"
    "{%- for m in messages -%}{%- if m.role == 'user' -%}{{ '<|user|>\\n' }}"
    "{%- if m.content is string -%}{{ m.content }}{%- else -%}{%- for item in m.content -%}"
    "{%- if item.type == 'image' -%}{{ '<|begin_of_image|><|image|><|end_of_image|>' }}"
    "{%- elif item.type == 'text' -%}{{ item.text }}{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{%- if enable_thinking is defined and not enable_thinking -%}/nothink{%- endif -%}"
    "{%- elif m.role == 'assistant' -%}<|assistant|>"
    "{%- set content = said(m.content) -%}{%- set thought = '' -%}"
    "{%- if '</think>' in content -%}"
    "{%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1]"
    ".lstrip('\\n') -%}{%- set content = content.split('</think>')[-1].lstrip('\\n') -%}"
    "{%- endif -%}{%- if loop.index0 > ns.last and thought -%}"
    "{{ '\\n<think>' + thought.strip() + '</think>' }}{%- else -%}{{ '\\n<think></think>' }}"
    "{%- endif -%}{%- if content.strip() -%}{{ '\\n' + content.strip() }}{%- endif -%}"
    "{%- elif m.role == 'system' -%}{{ '<|system|>\\n' + said(m.content) }}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>"
    "{%- if enable_thinking is defined and not enable_thinking -%}"
    "{{ '\\n<think></think>\\n' }}{%- endif -%}{%- endif -%}"
)
"""No turn is closed; the model opens its thought itself."""

GEMMA_SPECIAL = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>",
                 "<start_of_image>", "<end_of_image>", "<image_soft_token>")  # fmt: skip
GEMMA_3 = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}"
    "{%- if messages[0]['content'] is string -%}{%- set first = messages[0]['content'] -%}"
    "{%- else -%}{%- set first = messages[0]['content'][0]['text'] -%}{%- endif -%}"
    "{%- set first = first + '\\n\\n' -%}{%- set rest = messages[1:] -%}"
    "{%- else -%}{%- set first = '' -%}{%- set rest = messages -%}{%- endif -%}"
    "{%- for message in rest -%}"
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/...') }}"
    "{%- endif -%}"
    "{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}"
    "{{ '<start_of_turn>' + role + '\\n' + (first if loop.first else '') }}"
    "{%- if message['content'] is string -%}{{ message['content'] | trim }}"
    "{%- else -%}{%- for item in message['content'] -%}"
    "{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}"
    "{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}"
    "{%- endif -%}{{ '<end_of_turn>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"
)
"""The system's text is written into the user's turn; a system's turn alone is written nowhere."""

GEMMA_4_SPECIAL = ("<pad>", "<eos>", "<bos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>",
                   "<|think|>", "<|image|>")  # fmt: skip
GEMMA_4 = (
    "{%- macro spoken(text) -%}{%- for part in text.split('<channel|>') -%}"
    "{{ part.split('<|channel>')[0] }}{%- endfor -%}{%- endmacro -%}"
    "{{ bos_token }}{%- if enable_thinking -%}{{ '<|turn>system\\n<|think|><turn|>\\n' }}"
    "{%- endif -%}{%- for message in messages -%}"
    "{%- set role = 'model' if message.role == 'assistant' else message.role -%}"
    "{{ '<|turn>' + role + '\\n' }}{%- for part in message.content -%}"
    "{%- if part.type == 'image' -%}{{ '<|image|>' }}"
    "{%- elif role == 'model' -%}{{ spoken(part.text) | trim }}"
    "{%- else -%}{{ part.text | trim }}{%- endif -%}{%- endfor -%}{{ '<turn|>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|turn>model\\n' }}"
    "{%- if not enable_thinking -%}{{ '<|channel>thought\\n<channel|>' }}{%- endif -%}{%- endif -%}"
)
"""Of its large models: unless it is to think, an empty thought is written before the answer."""

SMOLVLM_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>",
    "<global-img>", "<end_of_utterance>", "<video>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
)  # fmt: skip
SMOLVLM = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)

LLAVA = (
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ part['text'] + ' ' }}"
    "{% endgeneration %}{% else %}{{ part['text'] + ' ' }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""Nothing but a blank closes a turn."""

LLAMA_3_SPECIAL = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                   "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "<|image|>")  # fmt: skip
LLAMA_3 = (
    "{{- bos_token }}{%- if messages[0]['role'] == 'system' -%}"
    "{%- if messages[0]['content'] is string -%}{%- set told = messages[0]['content'] | trim -%}"
    "{%- else -%}{%- set told = messages[0]['content'][0]['text'] | trim -%}{%- endif -%}"
    "{%- set rest = messages[1:] -%}{%- else -%}{%- set told = '' -%}{%- set rest = messages -%}"
    "{%- endif -%}"
    "{{ '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: 2023\\n\\n' "
    "+ told + '<|eot_id|>' }}"
    "{%- for message in rest -%}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] | trim }}{%- else -%}"
    "{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}{{ '<|image|>' }}"
    "{%- elif part['type'] == 'text' -%}{{ part['text'] | trim }}{%- endif -%}{%- endfor -%}"
    "{%- endif -%}{{ '<|eot_id|>' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif -%}"
)

DEEPSEEK_R1 = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '<|User|>' + message['content'] }}{% elif message['role'] == 'assistant' %}"
    "{% set content = message['content'] %}{% if '</think>' in content %}"
    "{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '<|Assistant|>' + content + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}"
)
"""Takes strings alone; drops the thought of every answer, also of the last."""

INTERNVL = (
    "{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}"
    "{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}"
    "{{ '<IMG_CONTEXT>\\n' }}{%- elif part['type'] == 'text' -%}{{ part['text'] }}"
    "{%- endif -%}{%- endfor -%}{%- endif -%}{{ '<|im_end|>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)

PIXTRAL = (
    "{{ bos_token }}{%- for message in messages -%}{%- if message['role'] == 'user' -%}"
    "{{ '[INST]' }}{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}"
    "{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}{{ '[IMG]' }}"
    "{%- else -%}{{ part['text'] }}{%- endif -%}{%- endfor -%}{%- endif -%}{{ '[/INST]' }}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{%- if message['content'] is string -%}{{ message['content'] + eos_token }}{%- else -%}"
    "{{ message['content'][0]['text'] + eos_token }}{%- endif -%}{%- endif -%}{%- endfor -%}"
)
