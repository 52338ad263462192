"""The plugin as TensorBoard sees it: loader, flags, static files, routes as WSGI applications."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.plugins import base_plugin
from werkzeug.test import Client

from tb_mmx_plugin import static
from tb_mmx_plugin.loader import MMXLoader
from tb_mmx_plugin.plugin import MMXPlugin
from tb_mmx_plugin.static import read_static

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plugin() -> MMXPlugin:
    return MMXPlugin(base_plugin.TBContext())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"mmx": 0, "mmx_index": 0}),
        ({"mmx": 7, "images": 1}, {"mmx": 7, "images": 1, "mmx_index": 0}),
        ({"mmx": 50, "mmx_index": 3}, {"mmx": 50, "mmx_index": 3}),
    ],
)
def test_steps_are_kept_unless_the_user_says_otherwise(given, expected):
    flags = argparse.Namespace(samples_per_plugin=given)
    MMXLoader().fix_flags(flags)
    assert flags.samples_per_plugin == expected


def test_flags_of_an_unknown_host_are_left_alone():
    MMXLoader().fix_flags(argparse.Namespace())


def test_the_entry_point_imports_nothing_heavy():
    script = (
        "import sys, tb_mmx_plugin.loader; "
        "print([n for n in ('torch', 'numpy', 'PIL', 'pandas', 'mmx_core') if n in sys.modules])"
    )
    command = [sys.executable, "-X", "importtime", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "[]"


def test_a_broken_installation_costs_the_tab_not_tensorboard(monkeypatch):
    monkeypatch.setitem(sys.modules, "tb_mmx_plugin.plugin", None)
    assert MMXLoader().load(base_plugin.TBContext()) is None


def test_what_tensorboard_asks_a_plugin(plugin):
    metadata = plugin.frontend_metadata()
    assert metadata.es_module_path == "/index.js"
    assert metadata.tab_name == "Explanations"
    assert plugin.is_active() is False
    assert plugin.data_plugin_names() == ("mmx", "mmx_index")
    assert set(plugin.get_plugin_apps()) == {
        "/index", "/records", "/header", "/blobs", "/image", "/index.js", "/static/*",
    }  # fmt: skip


@pytest.fixture
def built(tmp_path, monkeypatch) -> Path:
    """A build's folder with a file that its manifest does not list."""
    files = {"index.js": "text/javascript", "worker.js": "text/javascript", "gone.css": "text/css"}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": files}))
    (tmp_path / "index.js").write_text("export const built = true")
    (tmp_path / "worker.js").write_text("work")
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(static, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("route", ["/index.js", "/static/*"])
@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/data/plugin/mmx/index.js", 200, "built"),
        ("/data/plugin/mmx/static/index.js", 200, "built"),
        ("/data/plugin/mmx/static/worker.js", 200, "work"),
        ("/data/plugin/mmx/static/secret.txt", 404, "no file 'secret.txt'"),
        ("/data/plugin/mmx/static/manifest.json", 404, "no file"),
        ("/data/plugin/mmx/static/gone.css", 404, "no file"),
        ("/data/plugin/mmx/static/../plugin.py", 404, "no file"),
        ("/data/plugin/mmx/static/%2e%2e/plugin.py", 404, "no file"),
        ("/data/plugin/mmx/static//etc/passwd", 404, "no file"),
        ("/data/plugin/mmx/static/", 404, "no file"),
    ],
)
def test_only_what_the_manifest_lists_is_served(plugin, built, route, path, status, text):
    response = Client(plugin.get_plugin_apps()[route]).get(path)
    assert response.status_code == status
    assert text in response.text
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    expected = "text/javascript" if status == 200 else "text/plain"
    assert response.mimetype == expected


def test_without_a_build_the_entry_says_how_to_make_one(tmp_path):
    file = read_static("index.js", tmp_path)
    assert file.media_type == "text/javascript"
    assert b"export async function render()" in file.content
    assert b"textContent" in file.content
    assert b"npm --prefix frontend run build" in file.content
    assert read_static("worker.js", tmp_path) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_get_is_allowed(plugin, method):
    for app in plugin.get_plugin_apps().values():
        response = Client(app).open("/x", method=method)
        assert response.status_code == 405
        assert response.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    ("route", "query", "message"),
    [
        ("/records", "", "The parameter 'run' is missing."),
        ("/header", "run=a&tag=b", "The parameter 'step' is missing."),
        ("/header", "run=a&tag=b&step=x", "Expected integers for 'step', got x."),
        ("/header", "run=a&tag=b&step=1&step=2", "Expected one parameter 'step', got 2."),
        ("/blobs", "run=a&step=1", "The parameter 'tag' is missing."),
        ("/blobs", "run=a&tag=b&step=1.5", "Expected integers for 'step', got 1.5."),
        ("/image", "run=a", "The parameter 'hash' is missing."),
    ],
)
def test_a_wrong_parameter_is_named(plugin, route, query, message):
    response = Client(plugin.get_plugin_apps()[route]).get(f"/data/plugin/mmx{route}?{query}")
    assert response.status_code == 400
    assert response.mimetype == "text/plain"
    assert response.text == message
