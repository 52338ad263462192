"""Builds the VS Code extension and packs it: `build/mmx-explain-VERSION.vsix`.

    python build_tools/vscode.py

Node.js and its packages are the panel's (panel.py). A .vsix is a zip file with a manifest, so that
packing needs nothing but the standard library. Nothing is published.
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import panel

ROOT = panel.ROOT
SOURCE = ROOT / "vscode"
LARGEST = 150_000
"""Bytes of the packed extension."""

_SHIPPED = (
    "package.json",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "icon.png",
    "activity.svg",
    "dist/extension.js",
    "media/panel.js",
    "media/LICENSES.txt",
)
_TEXTS = ("name", "version", "publisher", "displayName", "description")
_TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">\
<Default Extension=".json" ContentType="application/json"/>\
<Default Extension=".vsixmanifest" ContentType="text/xml"/>\
<Default Extension=".js" ContentType="application/javascript"/>\
<Default Extension=".md" ContentType="text/markdown"/>\
<Default Extension=".txt" ContentType="text/plain"/>\
<Default Extension=".png" ContentType="image/png"/>\
<Default Extension=".svg" ContentType="image/svg+xml"/>\
<Override PartName="/extension/LICENSE" ContentType="text/plain"/></Types>
"""
_MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
<Metadata>
<Identity Language="en-US" Id="{name}" Version="{version}" Publisher="{publisher}"/>
<DisplayName>{displayName}</DisplayName>
<Description xml:space="preserve">{description}</Description>
<Tags>{tags}</Tags>
<Categories>{groups}</Categories>
<GalleryFlags>Public</GalleryFlags>
<Properties>
<Property Id="Microsoft.VisualStudio.Code.Engine" Value="{engine}"/>
<Property Id="Microsoft.VisualStudio.Code.ExtensionKind" Value="{kind}"/>
<Property Id="Microsoft.VisualStudio.Services.GitHubFlavoredMarkdown" Value="true"/>
</Properties>
<License>extension/LICENSE</License>
<Icon>extension/icon.png</Icon>
</Metadata>
<Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
<Dependencies/>
<Assets>
<Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" \
Addressable="true"/>
<Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" \
Addressable="true"/>
<Asset Type="Microsoft.VisualStudio.Services.Content.Changelog" Path="extension/CHANGELOG.md" \
Addressable="true"/>
<Asset Type="Microsoft.VisualStudio.Services.Content.License" Path="extension/LICENSE" \
Addressable="true"/>
<Asset Type="Microsoft.VisualStudio.Services.Icons.Default" Path="extension/icon.png" \
Addressable="true"/>
</Assets>
</PackageManifest>
"""


def build() -> Path:
    """Checks the types, builds both bundles, and packs them.

    Raises:
        panel.PanelError: There is no Node.js, npm failed, or the package is over its budget.
    """
    panel.ensure_built()
    panel.run_npm(["run", "vscode"])
    # The same packages as in the panel itself.
    shutil.copy(ROOT / "tb_mmx_plugin" / "static" / "LICENSES.txt", SOURCE / "media")
    manifest = json.loads((SOURCE / "package.json").read_text(encoding="utf-8"))
    target = ROOT / "build" / f"{manifest['name']}-{manifest['version']}.vsix"
    target.parent.mkdir(exist_ok=True)
    pack(manifest, target)
    size = target.stat().st_size
    print(f"{target.relative_to(ROOT)}: {size / 1000:.1f} of {LARGEST / 1000:g} kB")
    if size > LARGEST:
        raise panel.PanelError(f"{target.name} is over its budget of {LARGEST} bytes")
    return target


def pack(manifest: dict[str, Any], target: Path) -> None:
    """Writes the .vsix."""
    filled = _MANIFEST.format(
        **{name: escape(manifest[name]) for name in _TEXTS},
        tags=escape(",".join(manifest["keywords"])),
        groups=escape(",".join(manifest["categories"])),
        kind=",".join(manifest["extensionKind"]),
        engine=manifest["engines"]["vscode"],
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("extension.vsixmanifest", filled)
        archive.writestr("[Content_Types].xml", _TYPES)
        for name in _SHIPPED:
            archive.write(SOURCE / name, f"extension/{name}")


def main() -> None:
    """The command line described at the top of this file."""
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    try:
        build()
    except panel.PanelError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
