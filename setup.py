"""Package metadata; pyproject.toml holds the build system and the tools' settings.

The panel's bundle is built by build_tools/backend.py before setuptools collects files.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n+")
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:)[^)]*\)")
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def version() -> str:
    """As the library says it, in the one place where it stands."""
    found = VERSION.search((ROOT / "mmx_core" / "__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit("mmx_core/__init__.py: expected a line __version__ = ..., found none")
    return found[1]


def description() -> str:
    """The README for a page elsewhere, where nothing lies beside it: no pictures, plain words."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return LINK.sub(r"\1", PICTURE.sub("", text))


# What explaining a model takes. The viewer, installed without this, never imports torch.
# transformers 5.5.4 is the oldest that explains as the pinned one does, without torchvision.
# The tests run with torch 2.13. 2.6.0 and 2.14.1 were tried by hand: the same figures to 1e-5. With
# 2.6.0 only FSDP2 over the CPU is missing, in torch itself.
# regex, safetensors and tqdm come with transformers; `mmx` uses them itself. regex tells words by
# Unicode's boundaries, which the standard library does not know.
# lemminflect tells nouns and their singular from a dictionary of its own, with no download.
CORE = [
    "lemminflect>=0.2.3",
    "regex>=2025.10.22",
    "safetensors>=0.4.3",
    "torch>=2.6",
    "tqdm>=4.66",
    "transformers>=5.5.4",
]
EXTRAS = {
    "core": CORE,
    # The Trainer of transformers does not start without accelerate, nor does TRL.
    "trainer": [*CORE, "accelerate>=1.1"],
    "lightning": [*CORE, "lightning>=2.4"],
    # Explanations as tables, next to what tbparse reads from the same event files.
    "analysis": ["pandas>=2.2", "tbparse>=0.0.9"],
    # The panel in a notebook, whose script the notebook is sent once instead of with every cell.
    "notebook": ["anywidget>=0.9"],
    # The tools that test, check and package this repository.
    "dev": [
        "accelerate>=1.1",
        "build>=1.2",
        "debugpy>=1.8",  # what VS Code stops a Python program with, for tests/vscode
        "hypothesis>=6.100",
        "lightning>=2.4",
        "mypy>=1.15",
        "peft>=0.15",  # its wrapped models are among those that are explained
        "playwright>=1.45",
        "pytest>=8.2",
        "pytest-rerunfailures>=15",  # what needs a real browser and its clock has a second try
        "pytest-xdist>=3.6",  # the tests run on two cores at once
        "ruff>=0.9",
        "setuptools>=77",  # the packaging tests build without isolation
        "tensorboardX>=2.6.4",  # one of the writers that add_explanation accepts
    ],
}

setup(
    name="mmx-explain",
    version=version(),
    description="Token-level explanations of multimodal LLM answers, browsed in TensorBoard",
    long_description=description(),
    long_description_content_type="text/markdown",
    author="The mmx authors",
    keywords=["explainability", "multimodal", "vision-language", "tensorboard", "logit lens"],
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["mmx_core", "mmx_core.*", "tb_mmx_plugin", "tb_mmx_plugin.*"]),
    package_data={
        "mmx_core": ["py.typed", "events/*.md", "export/*.md"],
        "tb_mmx_plugin": ["py.typed", "*.md", "static/**/*"],
    },
    install_requires=[
        # CRC-32C in C: TensorBoard's pure-Python checksum limits writing to about 8 MB/s.
        # 1.7 is the first with wheels for Python 3.10 to 3.13; 1.8 has them for 3.14.
        "google-crc32c>=1.7",
        "numpy>=1.26",
        "pillow>=10.3",
        "protobuf>=6.31.1",
        "tensorboard>=2.21",
    ],
    extras_require=EXTRAS,
    entry_points={
        # Another tool of the field installs `mmx`, too: the second name is ours alone.
        "console_scripts": ["mmx = mmx_core.cli:main", "mmx-explain = mmx_core.cli:main"],
        "tensorboard_plugins": ["mmx = tb_mmx_plugin.loader:MMXLoader"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Visualization",
    ],
)
