"""Sphinx configuration. Nothing here needs the network."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

sys.path.insert(0, str(Path(__file__).parent))

import _fusion_table

import skmultimodal

HERE = Path(__file__).parent

project = "skmultimodal"
author = "the skmultimodal developers"
copyright = f"2026, {author}"
version = release = skmultimodal.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb"]
default_role = "literal"
toc_object_entries_show_parents = "hide"
templates_path = ["_templates"]
nitpicky = True
# Other projects' names stay plain text: their inventories would need the network.
nitpick_ignore_regex = [
    (r"py:.*", r"(sklearn|imblearn|skorch|skrub|torch|numpy|pandas|polars|PIL)(\..*)?"),
]

autosummary_generate = True
autodoc_typehints = "none"
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"demo_",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "min_reported_time": 0,
    "within_subsection_order": "FileNameSortKey",
    "thumbnail_size": (560, 280),
}

html_theme = "pydata_sphinx_theme"
html_title = f"skmultimodal {release}"
html_static_path = ["_static"]
html_css_files = ["skmultimodal.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"install": [], "changelog": [], "design": []}


# -- pages written from the package itself, so that they never go stale ---------------


def public_modules() -> dict[str, list[str]]:
    """Every public folder of the package with the names it offers."""
    found = {"skmultimodal": [n for n in skmultimodal.__all__ if n != "__version__"]}
    for module in pkgutil.iter_modules(skmultimodal.__path__, "skmultimodal."):
        if not module.name.rpartition(".")[2].startswith("_"):
            package = importlib.import_module(module.name)
            names = [n for n in getattr(package, "__all__", []) if n[0] != "_"]
            # a constant has no docstring of its own
            found[module.name] = [n for n in names if callable(getattr(package, n))]
    return {module: names for module, names in found.items() if names}


def drop_stale_pages() -> None:
    """A page of a name that is gone would be in no table of contents: an error."""
    offered = {f"{m}.{name}" for m, names in public_modules().items() for name in names}
    for page in (HERE / "generated").glob("skmultimodal.*.rst"):
        if page.stem not in offered:
            page.unlink()


def api_page() -> str:
    lines = ["API reference", "=============", ""]
    seen: set[int] = set()
    for module, names in public_modules().items():
        package = importlib.import_module(module)
        things = {name: getattr(package, name) for name in names}
        names = [name for name, thing in things.items() if id(thing) not in seen]
        seen |= {id(thing) for thing in things.values()}
        doc = (package.__doc__ or "").partition("\n\n")[0].strip()
        lines += [module, "-" * len(module), "", doc, ""]
        lines += [f".. module:: {module}", "", ".. autosummary::"]
        lines += ["   :toctree: .", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in names]
        lines += [""]
    return "\n".join(lines)


def changelog_page() -> str:
    """CHANGELOG.md as reStructuredText; it has headings, lists, code and links only."""
    text = (HERE.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    text = re.sub(r"\[([^\]]+)\]\((\S+?)\)", r"`\1 <\2>`__", text)
    text = re.sub(r"^\[[^\]]+\]: .*$", "", text, flags=re.MULTILINE)
    for marks, line in [("###", "~"), ("##", "-"), ("#", "=")]:
        text = re.sub(
            rf"^{marks} \[?([^\]\n]+)\]?(.*)$",
            lambda m, line=line: f"{m[1]}{m[2]}\n{line * len(m[1] + m[2])}",
            text,
            flags=re.MULTILINE,
        )
    return text


def write(file: str, text: str) -> None:
    path = HERE / "generated" / file
    path.parent.mkdir(exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def mend_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    """Methods inherited from scikit-learn point at labels of its own pages."""
    for i, line in enumerate(lines):
        line = re.sub(r":(?:ref|term):`sphx_glr[^`]*`", "scikit-learn's gallery", line)
        line = re.sub(r":(?:ref|term):`([^`<]+?)(?:\s*<[^`>]*>)?`", r"\1", line)
        if "`" not in line and not line.lstrip().startswith((">>>", "...")):
            # (n_samples, n_features_in_) is no link to "n_features_in"
            line = re.sub(r"(?<!\w)([a-z]\w*)_(?=[,)])", r"\1\\_", line)
        lines[i] = line


def setup(app) -> None:
    app.connect("autodoc-process-docstring", mend_docstring, priority=1)


drop_stale_pages()
write("api.rst", api_page())
for level in _fusion_table.LEVELS:
    write(f"fusions_{level}.inc", _fusion_table.table(level))
write("changelog.inc", changelog_page())
