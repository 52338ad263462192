"""inspect_ai on a small local task, two samples explained: ``python -m examples.inspect_task``.

With a model that is served there is nothing to write but the ``with``. Here it answers in this
process: inspect_ai's own provider of transformers takes no pictures.
"""

from __future__ import annotations

import argparse
import base64
import io
import tempfile
from pathlib import Path
from typing import Any

import inspect_ai
from inspect_ai.dataset import Sample
from inspect_ai.model import (
    ChatMessageUser,
    ContentImage,
    ContentText,
    ModelAPI,
    ModelOutput,
    get_model,
    modelapi,
)
from inspect_ai.scorer import f1
from PIL import Image

import mmx_core as mmx
from examples.scenes import conversations, load


@modelapi(name="scenes")
class SceneAPI(ModelAPI):
    """The demo's model, as a provider of any model of transformers may be written."""

    def __init__(self, model_name: str, **settings: Any) -> None:
        super().__init__(model_name)
        self.model, self.processor = load()

    async def generate(self, input: Any, tools: Any, tool_choice: Any, config: Any) -> ModelOutput:
        """The answer to a question about a picture."""
        picture, question = input[-1].content
        image = Image.open(io.BytesIO(base64.b64decode(picture.image.partition(",")[2])))
        parts = [{"type": "image"}, {"type": "text", "text": question.text}]
        text = self.processor.apply_chat_template(
            [{"role": "user", "content": parts}], add_generation_prompt=True
        )
        inputs = self.processor(images=[image], text=text, return_tensors="pt")
        found = self.model.generate(**inputs, max_new_tokens=24, do_sample=False)
        said = found[0, inputs["input_ids"].shape[1] :]
        answer = self.processor.tokenizer.decode(said, skip_special_tokens=True)
        return ModelOutput.from_content(self.model_name, answer)

    async def count_text_tokens(self, text: str) -> int:
        """By its own tokenizer; inspect_ai's guess needs the web."""
        return len(self.processor.tokenizer(text)["input_ids"])


def samples(folder: Path, count: int) -> list[Sample]:
    """Scenes as inspect_ai takes them: pictures as files."""
    made = []
    for number, row in enumerate(conversations(count)):
        row["images"][0].save(folder / f"{number}.png")
        asked = [
            ContentImage(image=str(folder / f"{number}.png")),
            ContentText(text=row["prompt"][0]["content"][1]["text"]),
        ]
        answer = row["completion"][0]["content"][0]["text"]
        made.append(Sample([ChatMessageUser(content=asked)], target=answer, id=number))
    return made


def main() -> None:
    """Evaluates four samples, of which two are explained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build/examples/inspect_ai")
    arguments = parser.parse_args()
    answering = get_model("scenes/demo")
    explainer = mmx.Explainer(answering.api.model, answering.api.processor)
    explaining = mmx.integrations.inspect_ai.explaining(
        explainer, logdir=arguments.out, samples=[1, 3]
    )
    with tempfile.TemporaryDirectory() as folder, explaining:
        (log,) = inspect_ai.eval(
            inspect_ai.Task(samples(Path(folder), 4), scorer=f1(), name="scenes"),
            model=answering,
            log_dir=f"{arguments.out}/logs",
            display="none",
        )
    print(f"{log.status}, f1 {log.results.scores[0].metrics['mean'].value:.2f}")
    print(f"mmx show {arguments.out}")


if __name__ == "__main__":
    main()
