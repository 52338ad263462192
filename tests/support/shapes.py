"""Families of the released shape: a chat template with the tokens that it writes.

Each stands on a tokenizer that is trained here, or on SmolLM2's released one
(``tests/support/smollm2.py``), which knows the family's tokens, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from PIL import Image
from transformers import PreTrainedTokenizerFast

from mmx_core.models.chat import RenderedPrompt, render_chat
from tests.support import released, smollm2
from tests.support.released import byte_fallback, byte_level

PICTURE = Image.new("RGB", (4, 4))
ASKED = {
    "role": "user",
    "content": [{"type": "image"}, {"type": "text", "text": "describe the image"}],
}
SYSTEM = {"role": "system", "content": "the mat"}
THOUGHT = {"role": "assistant", "content": "<think>\nthe cat\n</think>\n\nthe answer is a cat."}
AGAIN = {"role": "user", "content": "is a dog"}
Source = Literal["trained", "released"]
SOURCES = ("trained", smollm2.param("released"))

KIMI_K25 = (
    "{%- set ns = namespace(last=-1) -%}{%- for m in messages -%}"
    "{%- if m.role == 'assistant' and not m.tool_calls -%}{%- set ns.last = loop.index0 -%}"
    "{%- endif -%}{%- endfor -%}{%- for m in messages -%}"
    "{%- if loop.first and m.role != 'system' -%}"
    "{{ '<|im_system|>system<|im_middle|>You are Kimi<|im_end|>' }}{%- endif -%}"
    "{{ '<|im_' + m.role + '|>' + m.role + '<|im_middle|>' }}{%- if m.role == 'assistant' -%}"
    "{%- set thought = m.reasoning_content or '' if loop.index0 >= ns.last else '' -%}"
    "{{ '<think>' + thought + '</think>' }}{%- endif -%}"
    "{%- if m.content is string -%}{{ m.content }}{%- else -%}{%- for part in m.content -%}"
    "{%- if part.type == 'image' -%}<|media_pad|>{%- else -%}{{ part.text }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}{{ '<|im_end|>' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_assistant|>assistant<|im_middle|>' }}"
    "{%- if thinking is defined and not thinking -%}{{ '<think></think>' }}"
    "{%- else -%}{{ '<think>' }}{%- endif -%}{%- endif -%}"
)
"""Writes a thought before every answer, of earlier ones an empty one; its prompt opens one."""

HARMONY = (
    "{%- for m in messages -%}{%- if m.role == 'user' -%}"
    "{{ '<|start|>user<|message|>' + m.content + '<|end|>' }}{%- elif m.role == 'system' -%}"
    "{{ '<|start|>developer<|message|>' + m.content + '<|end|>' }}{%- else -%}"
    "{%- set closed = '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' -%}"
    "{%- if m.thinking and loop.last -%}"
    "{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}"
    "{%- endif -%}"
    "{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + closed }}{%- endif -%}"
    "{%- endfor -%}{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}"
)
"""Of gpt-oss: the model opens the channel that it speaks in itself."""

COMMAND = (
    "{{ bos_token }}{%- for m in messages -%}{{ '<|START_OF_TURN_TOKEN|>' }}"
    "{%- if m.role == 'assistant' -%}"
    "{{ '<|CHATBOT_TOKEN|><|START_RESPONSE|>' + m.content[0].text + '<|END_RESPONSE|>' }}"
    "{%- else -%}{{ '<|USER_TOKEN|>' if m.role == 'user' else '<|SYSTEM_TOKEN|>' }}"
    "{%- for part in m.content -%}{%- if part.type == 'image' -%}<image>{%- else -%}"
    "{{ part.text | trim }}{%- endif -%}{%- endfor -%}{%- endif -%}{{ '<|END_OF_TURN_TOKEN|>' }}"
    "{%- endfor -%}{%- if add_generation_prompt -%}"
    "{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{%- endif -%}"
)
"""Of Cohere: answers are opened by a marker that is not in the generation prompt."""

MISTRAL_7B = (
    "{{ bos_token }}{%- set rest = messages -%}{%- if messages[0].role == 'system' -%}"
    "{%- set told = messages[0].content -%}{%- set rest = messages[1:] -%}{%- endif -%}"
    "{%- for m in rest -%}{%- if m.role == 'user' -%}{{ '[INST] ' }}"
    "{%- if loop.last and told is defined -%}{{ told + '\n\n' }}{%- endif -%}"
    "{{ m.content + '[/INST]' }}{%- else -%}{{ ' ' + m.content | trim + eos_token }}{%- endif -%}"
    "{%- endfor -%}"
)
"""Writes the system's text into the last turn where that is the user's, and else nowhere."""

PHI_3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
"""Closes the turn, and then the whole."""

ERNIE = (
    "{{ '<|begin_of_sentence|>' }}{%- for m in messages -%}{%- if m.role == 'assistant' -%}"
    "{{ 'Assistant: ' + m.content + '<|end_of_sentence|>' }}{%- else -%}"
    "{{ ('User: ' if m.role == 'user' else '') + m.content + '\n' }}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'Assistant: ' }}"
    "{%- if enable_thinking -%}{{ '\n<think>\n' }}{%- endif -%}{%- endif -%}"
)
"""Opens a thought if asked, and leaves the answers' thoughts as they are."""

QWEN3 = released.QWEN3_VL_THINKING.replace("{%- else -%}{{ '<think>\\n' }}{%- endif", "{%- endif")
"""Thinks or not: the model opens its thought itself, and an answer without has an empty one."""

_THINK = ("<think>", "</think>")


@dataclass(frozen=True)
class Shape:
    """A template with its tokens.

    Attributes:
        template: Jinja source.
        special: Added tokens that are special.
        image: The placeholder.
        named: ``eos_token`` and the like.
        plain: Added tokens that are not special.
        kind: Of the tokenizer that is trained: over bytes, or with bytes to fall back on.
    """

    template: str
    special: tuple[str, ...]
    image: str
    named: dict[str, str]
    plain: tuple[str, ...] = ()
    kind: Literal["bytes", "fallback", "fallback, blank before"] = "bytes"


@dataclass(frozen=True)
class Family:
    """A tokenizer with its template, as released, unless another is given."""

    tokenizer: PreTrainedTokenizerFast
    image: str
    template: Any = None

    def render(self, *messages: Any, pictures: int = 1, **variables: Any) -> RenderedPrompt:
        return render_chat(
            self.tokenizer,
            list(messages),
            pictures=[PICTURE] * pictures,
            image_id=self.tokenizer.convert_tokens_to_ids(self.image),
            chat_template=self.template,
            variables=variables,
        )

    def tokens(self, ids: Any) -> list[str]:
        return self.tokenizer.convert_ids_to_tokens(list(ids))

    def pieces(self, ids: Any) -> list[str]:
        """Each token's text; breaks one by one, which vocabularies join otherwise."""
        texts = [self.tokenizer.decode([token]) for token in ids]
        return [piece for text in texts for piece in (text if text.strip("\n") == "" else [text])]

    def text(self, ids: Any) -> str:
        return self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)


_QWEN = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
_GEMMA = {"eos_token": "<eos>", "bos_token": "<bos>", "pad_token": "<pad>"}
_LLAMA = {"bos_token": "<s>", "eos_token": "</s>"}
_INST = ("<s>", "</s>", "[INST]", "[/INST]", "[IMG]")

SHAPES = {
    "qwen2_vl": Shape(released.QWEN2_VL, released.QWEN_SPECIAL, "<|image_pad|>", _QWEN),
    "qwen3_vl": Shape(
        released.QWEN3_VL_THINKING, released.QWEN_SPECIAL, "<|image_pad|>", _QWEN,
        plain=released.QWEN_PLAIN,
    ),
    "qwen3": Shape(
        QWEN3, released.QWEN_SPECIAL, "<|image_pad|>", _QWEN, plain=released.QWEN_PLAIN
    ),
    "glm": Shape(
        released.GLM_4V, released.GLM_SPECIAL, "<|image|>",
        {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}, plain=released.GLM_PLAIN,
    ),
    "gemma": Shape(
        released.GEMMA_3, released.GEMMA_SPECIAL, "<start_of_image>", _GEMMA, kind="fallback"
    ),
    "gemma4": Shape(
        released.GEMMA_4, released.GEMMA_4_SPECIAL, "<|image|>", _GEMMA, kind="fallback"
    ),
    "smolvlm": Shape(
        released.SMOLVLM, released.SMOLVLM_SPECIAL, "<image>",
        {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>"},
    ),
    "llava": Shape(
        released.LLAVA, ("<s>", "</s>", "<image>", "<pad>"), "<image>", _LLAMA,
        kind="fallback, blank before",
    ),
    "llama": Shape(
        released.LLAMA_3, released.LLAMA_3_SPECIAL, "<|image|>",
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    ),
    "r1": Shape(
        released.DEEPSEEK_R1, ("<|bos|>", "<|eos|>", "<|User|>", "<|Assistant|>", "<image>"),
        "<image>", {"bos_token": "<|bos|>", "eos_token": "<|eos|>"}, plain=_THINK,
    ),
    "internvl": Shape(
        released.INTERNVL, ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<IMG_CONTEXT>"),
        "<IMG_CONTEXT>", {"eos_token": "<|im_end|>"},
    ),
    "pixtral": Shape(released.PIXTRAL, _INST, "[IMG]", _LLAMA),
    "mistral": Shape(released.PIXTRAL, _INST, "[IMG]", _LLAMA, kind="fallback, blank before"),
    "mistral_7b": Shape(MISTRAL_7B, _INST, "[IMG]", _LLAMA),
    "kimi": Shape(
        KIMI_K25,
        ("<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_tool|>", "<|im_middle|>",
         "<|im_end|>", "[EOS]", "<|media_pad|>"),
        "<|media_pad|>", {"eos_token": "<|im_end|>", "pad_token": "[EOS]"}, plain=_THINK,
    ),
    "harmony": Shape(
        HARMONY,
        ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<IMG_CONTEXT>"),
        "<IMG_CONTEXT>", {"eos_token": "<|return|>"},
    ),
    "command": Shape(
        COMMAND,
        ("<BOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>",
         "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>",
         "<image>"),
        "<image>", {"bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>"},
    ),
    "phi": Shape(
        PHI_3,
        ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|image_1|>"),
        "<|image_1|>", {"eos_token": "<|endoftext|>"},
    ),
    "ernie": Shape(
        ERNIE, ("<|begin_of_sentence|>", "<|end_of_sentence|>", "<|image@placeholder|>"),
        "<|image@placeholder|>",
        {"bos_token": "<|begin_of_sentence|>", "eos_token": "<|end_of_sentence|>"}, plain=_THINK,
    ),
}  # fmt: skip


@cache
def family(name: str, source: Source = "trained") -> Family:
    """A family's tokenizer with its template."""
    shape = SHAPES[name]
    named: dict[str, Any] = dict(shape.named)
    if source == "released":
        made = smollm2.tokenizer_for(shape.template, shape.special, plain=shape.plain, **named)
    elif shape.kind == "bytes":
        made = byte_level(shape.template, shape.special, plain=shape.plain, **named)
    else:
        dummy = shape.kind == "fallback, blank before"
        made = byte_fallback(shape.template, shape.special, plain=shape.plain, dummy=dummy, **named)
    return Family(made, shape.image)


def answer(text: str, **rest: Any) -> dict[str, Any]:
    """The assistant's message."""
    return {"role": "assistant", "content": text, **rest}


def spoken(made: Family, rendered: RenderedPrompt) -> dict[int, str]:
    """What is written in each turn of a prompt."""
    found: dict[int, list[int]] = {}
    for token in rendered.text:
        if token.written:
            found.setdefault(token.turn, []).append(token.id)
    return {turn: made.tokenizer.decode(ids).strip() for turn, ids in found.items()}
