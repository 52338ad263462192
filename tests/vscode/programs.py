"""What is debugged, and how it is started and waited for in the extension host."""

from __future__ import annotations

import sys

from tests.vscode.install import ROOT
from tests.vscode.workbench import Workbench

CHECKPOINT = sorted((ROOT / "demo" / "checkpoints" / "grounded").iterdir())[-1]
PATH = [str(ROOT), *filter(None, sys.path)]
_PROGRAM = """\
import os, pickle, subprocess, sys, time
from dataclasses import replace
from pathlib import Path
import numpy as np
import torch
from demo.probe import as_sample
from demo.scenes import validation_scenes
from mmx_core import Explainer


class Broken:
    def __repr__(self):
        raise RuntimeError("no words for it")


def await_file(name):
    while not Path(name).exists():
        time.sleep(0.05)


explainer = Explainer.from_pretrained(
    {checkpoint!r}, device="cpu", dtype=torch.float32, scales=(1.0, 1.5)
)
broken = Broken()
for number, scene in enumerate(validation_scenes(2, seed=1)):
    [explanation] = explainer.explain_batch([as_sample(scene)])
    np.save(f"map{{number}}.npy", explanation.heatmaps[0])
    [shown] = explanation.images
    picture = replace(shown.image, data=bytes(33_000_000))
    large = [explanation, replace(explanation, images=(replace(shown, image=picture),))]
    print("explained")  # BREAK
Path("explanation.pickle").write_bytes(pickle.dumps(explanation))
await_file("fork")
bare = {{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}}
subprocess.run([sys.executable, "-S", "child.py"], env=bare)
"""
_CHILD = """\
import sys
value = [1]
print(value)  # BREAK
sys.path[:0] = {path!r}
import pickle
from pathlib import Path
explanation = pickle.loads(Path("explanation.pickle").read_bytes())
print("read")  # BREAK
"""
_START = """\
for (const name of {names}) {{
  const uri = vscode.Uri.file(`${{folder}}/${{name}}`);
  const lines = (await vscode.workspace.openTextDocument(uri)).getText().split("\\n");
  vscode.debug.addBreakpoints(lines.flatMap((text, line) => text.includes({mark!r})
    ? [new vscode.SourceBreakpoint(new vscode.Location(uri, new vscode.Position(line, 0)))]
    : []));
}}
void vscode.debug.startDebugging(vscode.workspace.workspaceFolders[0], {{
  type: "debugpy", request: "launch", name: "eval", program: `${{folder}}/eval.py`, cwd: folder,
  console: "internalConsole", internalConsoleOptions: "neverOpen", justMyCode: true,
  python: {python!r}, env: {{ PYTHONPATH: {path!r}, OMP_NUM_THREADS: "1" }},
}});
"""
_STOPPED = """\
for (let i = 0; i < 1500; i++) {{
  const item = vscode.debug.activeStackItem;
  if (item instanceof vscode.DebugStackFrame && ({having})(item)) return "stopped";
  await new Promise((resolve) => setTimeout(resolve, 100));
}}
throw new Error("the program came to no breakpoint");
"""
_RUNNING = """\
for (let i = 0; i < 600; i++) {
  if (!(vscode.debug.activeStackItem instanceof vscode.DebugStackFrame)) return "running";
  await new Promise((resolve) => setTimeout(resolve, 100));
}
throw new Error("the program stands still");
"""


def start(workbench: Workbench) -> None:
    """A program that explains two pictures with the demo's model, then starts another."""
    program = _PROGRAM.format(checkpoint=str(CHECKPOINT))
    child = _CHILD.format(path=PATH)
    debug(workbench, {"eval.py": program, "child.py": child}, "# BREAK")


def debug(workbench: Workbench, programs: dict[str, str], mark: str) -> None:
    """Starts the first of them, ``eval.py``; breakpoints stand where this mark does."""
    for name, program in programs.items():
        (workbench.folder / name).write_text(program, encoding="utf-8")
    path = ":".join(PATH)
    workbench.host.run(
        _START.format(names=[*programs], mark=mark, python=sys.executable, path=path)
    )


def await_stop(workbench: Workbench, having: str = "() => true") -> None:
    """Until a frame is chosen of which this holds, in JavaScript."""
    workbench.host.run(_STOPPED.format(having=having), seconds=180)


def await_running(workbench: Workbench) -> None:
    """Until no frame is chosen."""
    workbench.host.run(_RUNNING)
