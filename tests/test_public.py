"""What a user may name: it is there, it is documented, and it asks for little."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys

import pytest
from sklearn.base import BaseEstimator

import skmultimodal

FOLDERS = ["skmultimodal"]
for found in pkgutil.iter_modules(skmultimodal.__path__):
    FOLDERS += [f"skmultimodal.{found.name}"] * found.ispkg
# matplotlib is not among them: skrub, which the table encoder stands on, imports it.
OPTIONAL = [
    "easy_vqa",
    "numpydoc",
    "peft",
    "polars",
    "pytest",
    "sacrebleu",
    "sentence_transformers",
    "timm",
    "torchaudio",
    "torchvision",
    "transformers",
]
# What of numpydoc's own list is asked, see "validation" in its manual.
NUMPYDOC = set(
    "GL05 GL07 GL08 GL09 GL10 SS01 SS03 PR01 PR02 PR03 PR10 RT01 YD01".split()  # noqa: SIM905
)


def is_module(name):
    """Parts of nets: they say the shapes that they take and give, as torch does."""
    return name.startswith("skmultimodal.nn.") or name.endswith(".FusionModule")


def _public():
    for folder in FOLDERS:
        module = importlib.import_module(folder)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{folder}.{name}", thing


PUBLIC = dict(_public())
ESTIMATORS = {
    name: thing
    for name, thing in PUBLIC.items()
    if inspect.isclass(thing) and issubclass(thing, BaseEstimator)
}
FUNCTIONS = {n: thing for n, thing in PUBLIC.items() if inspect.isfunction(thing)}


def _methods():
    for name, cls in ESTIMATORS.items():
        for method, thing in inspect.getmembers(cls, inspect.isfunction):
            ours = thing.__module__.startswith("skmultimodal")
            if ours and not method.startswith("_"):
                yield f"{name}.{method}", thing


METHODS = dict(_methods())


def sections(thing):
    """Titles of the sections of a numpydoc docstring, and what stands in each."""
    lines = inspect.cleandoc(thing.__doc__).split("\n")
    titles = [
        k
        for k, line in enumerate(lines[1:])
        if lines[k] and line == "-" * len(lines[k].strip())
    ]
    found = {}
    for k, stop in zip(titles, [*titles[1:], len(lines)]):
        found[lines[k].strip()] = lines[k + 2 : stop]
    return found


def documented(thing):
    """Names that a docstring describes as parameters."""
    names = []
    for line in sections(thing).get("Parameters", []):
        if line and not line.startswith(" "):
            names += [n.strip(" *") for n in line.split(" : ")[0].split(",")]
    return names


def parameters(thing):
    kinds = inspect.signature(thing).parameters
    return [name for name in kinds if name not in ("self", "cls")]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_name_is_there_once_and_in_order(folder):
    module = importlib.import_module(folder)
    names = list(module.__all__)
    assert sorted(names) == sorted(set(names))
    for name in names:
        assert hasattr(module, name)
    private = [n for n in names if n.startswith("_") and n != "__version__"]
    assert not private
    assert len(inspect.getdoc(module)) > 20


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_say_what_they_are_in_a_line(name):
    thing = PUBLIC[name]
    assert thing.__doc__
    summary = inspect.cleandoc(thing.__doc__).split("\n")[0]
    assert summary.endswith((".", "`"))
    assert summary[0].isupper() or summary.startswith("`") or "(" in summary


@pytest.mark.parametrize("name", [n for n in PUBLIC if not is_module(n)])
def test_parameters_are_documented_in_order(name):
    thing = PUBLIC[name]
    assert documented(thing) == parameters(thing)


@pytest.mark.parametrize("name", {**FUNCTIONS, **METHODS})
def test_methods_and_functions_are_documented(name):
    thing = {**FUNCTIONS, **METHODS}[name]
    if is_module(name):
        assert thing.__doc__
        return
    found = sections(thing)
    if parameters(thing):
        assert documented(thing) == parameters(thing)
    returns = inspect.signature(thing).return_annotation
    if returns not in (None, "None"):
        assert "Returns" in found
        assert any(line.strip() for line in found["Returns"])


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, thing in {**ESTIMATORS, **FUNCTIONS}.items()
        if not is_module(name) and not inspect.isabstract(thing)
    ],
)
def test_an_example_shows_the_use(name):
    thing = {**ESTIMATORS, **FUNCTIONS}[name]
    examples = "\n".join(sections(thing)["Examples"])
    assert ">>>" in examples
    assert thing.__name__ in examples


@pytest.mark.parametrize("name", ESTIMATORS)
def test_attributes_of_fitted_estimators_are_documented(name):
    cls = ESTIMATORS[name]
    found = sections(cls).get("Attributes")
    if not hasattr(cls, "fit"):
        assert found is None
        return
    names = [line.split(" : ")[0] for line in found if line and line[0] != " "]
    assert names
    assert all(attribute.endswith("_") for attribute in names)


@pytest.mark.parametrize("name", [n for n in {**PUBLIC, **METHODS} if not is_module(n)])
def test_numpydoc_finds_nothing(name):
    validate = pytest.importorskip("numpydoc.validate").validate
    thing = {**PUBLIC, **METHODS}[name]
    if name in METHODS:
        owner, method = name.rsplit(".", 1)
        owner = ESTIMATORS[owner]
        path = f"{owner.__module__}.{owner.__qualname__}.{method}"
    else:
        path = f"{thing.__module__}.{thing.__qualname__}"
    errors = [error for error in validate(path)["errors"] if error[0] in NUMPYDOC]
    assert errors == []


def fresh(code):
    """Run code in a process that has imported nothing."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


_BLOCK = f"""
import importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""


def test_no_optional_package_is_needed():
    """Neither to import everything, nor for a pipeline with the default encoders."""
    fresh(
        _BLOCK
        + f"""
import importlib
for folder in {FOLDERS!r}:
    module = importlib.import_module(folder)
    for name in module.__all__:
        getattr(module, name)
import numpy as np, pandas as pd
from skmultimodal import multimodal_pipeline
rng = np.random.default_rng(0)
X = pd.DataFrame({{
    "age": rng.normal(size=40),
    "note": [f"we had {{'good' if k % 2 else 'bad'}} luck in {{k}}" for k in range(40)],
    "photo": [rng.integers(0, 255, (8, 8, 3), dtype=np.uint8) for _ in range(40)],
}})
model = multimodal_pipeline("classifier", max_epochs=2).fit(X, [0, 1] * 20)
assert model.predict(X).shape == (40,)
assert sorted(model["encode"].modalities_) == ["note", "photo", "tabular"]
model._repr_html_()
"""
    )


def test_what_is_absent_is_named_with_its_install_line():
    said = fresh(
        _BLOCK
        + """
from skmultimodal.datasets import load_easy_vqa
from skmultimodal.encoders import TextEncoder
for call in (load_easy_vqa, lambda: TextEncoder("a/model").fit(["one", "two"])):
    try:
        call()
    except ImportError as error:
        print(error)
"""
    )
    assert "pip install 'skmultimodal[demo]'" in said
    assert "pip install 'skmultimodal[text]'" in said


def test_import_is_quick_and_brings_nothing_heavy():
    said = fresh(
        f"""
import sys, time
import imblearn, imblearn.pipeline, pandas, sklearn.compose, skorch, skrub, torch
import PIL.Image, safetensors.torch, scipy.sparse.csgraph
before, start = set(sys.modules), time.perf_counter()
import skmultimodal
print(time.perf_counter() - start)
late = set(sys.modules) - before
heavy = {OPTIONAL!r}
print([m for m in late if m.split(".")[0] in heavy])
"""
    )
    seconds, heavy = said.splitlines()
    assert float(seconds) < 2
    assert heavy == "[]"
