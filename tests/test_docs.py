"""What the user guide shows is what happens."""

import ast
import doctest
import gc
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import skmultimodal.fusion
from skmultimodal import pack
from skmultimodal.fusion._base import known_fusions
from skmultimodal.heads import FusionClassifier
from skmultimodal.model_selection._candidates import Question, list_candidates
from skmultimodal.testing import check_fusion

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = [p for p in sorted(DOCS.rglob("*.rst")) if ">>>" in p.read_text("utf-8")]
PAGES = [p for p in PAGES if not {"generated", "auto_examples", "_build"} & {*p.parts}]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_examples_of_the_user_guide_run(page):
    failed, tried = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    gc.collect()  # of the fusion that a page defines
    assert tried > 0
    assert failed == 0


EXAMPLE = DOCS.parent / "examples" / "plot_own_fusion.py"


@pytest.fixture
def fusion_table(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    yield importlib.import_module("_fusion_table")
    sys.modules.pop("_fusion_table", None)


@pytest.fixture
def own_fusion():
    """The class that the page shows, without the rest of its example."""
    tree = ast.parse(EXAMPLE.read_text("utf-8"))
    kept = ast.Import | ast.ImportFrom | ast.ClassDef
    tree.body = [node for node in tree.body if isinstance(node, kept)]
    names = {"__name__": "a_script"}
    exec(compile(tree, str(EXAMPLE), "exec"), names)
    yield names.pop("ProductFusion")
    names.clear()
    gc.collect()  # a fusion that is still there is one of "all" in other tests


def test_the_tables_have_every_public_fusion_once(fusion_table):
    parts = {"FusionModule", "FusionOutput", "NeuralFusion"}
    text = "".join(fusion_table.table(level) for level in fusion_table.LEVELS)
    rows = re.findall(r":class:`~skmultimodal\.fusion\.(\w+)`\n", text)
    assert sorted(rows) == sorted({*skmultimodal.fusion.__all__} - parts)


def test_what_the_tables_add_is_about_fusions_that_are_there(fusion_table):
    there = {cls.__name__ for cls in fusion_table.fusions()}
    assert there >= {*fusion_table.FORMULAS, *fusion_table.USES_Y}
    stems = {re.sub("(Classifier|Regressor)$", "", name) for name in there}
    assert stems >= {*fusion_table.COSTS}


def test_a_new_fusion_gets_its_row_by_its_base_class(fusion_table, own_fusion):
    assert "ProductFusion" not in fusion_table.table("relational")
    own_fusion.__module__ = "skmultimodal.fusion.relational._product"
    text = fusion_table.table("relational").replace("\N{NO-BREAK SPACE}", " ")
    assert "`~skmultimodal.fusion.ProductFusion`" in text
    assert '"product"' in text
    # three square matrices of width 64 with biases, and their products with a vector
    assert f"{3 * (64 * 64 + 64) / 1000:.0f} k weights" in text
    assert f"{3 * 2 * 64 * 64 / 1000:.0f} k operations" in text


def test_tables_say_what_a_fusion_needs(fusion_table):
    by_name = {cls.__name__: cls for cls in fusion_table.fusions()}
    assert fusion_table._needs(by_name["FiLMFusion"]).startswith("2 modalities")
    assert fusion_table._needs(by_name["EvidentialFusion"]) == "classes"
    assert fusion_table._needs(by_name["ModalityVotingRegressor"]) == "numbers"


def test_the_fusion_of_the_page_works_by_instance_and_by_name(own_fusion):
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (2, 400))
    left, right = signs[:, :, None] + rng.normal(scale=0.2, size=(2, 400, 3))
    X = pack({"left": left, "right": right})
    y = np.where(signs[0] == signs[1], "same", "different")
    assert known_fusions()["product"] is own_fusion
    for fusion in ("product", own_fusion(residual=True)):
        head = FusionClassifier(
            fusion, embed_dim=16, hidden_layer_sizes=(), max_epochs=15, random_state=0
        )
        head = clone(head).fit(X[:300], y[:300])
        assert head.score(X[300:], y[300:]) > 0.95  # a product of signs is their xor
        without = X[300:].copy()
        without.loc[:, without.columns.str.startswith("left")] = np.nan
        assert np.isfinite(head.predict_proba(without)).all()
    assert head.get_params()["fusion__residual"] is True


@pytest.mark.parametrize("residual", [False, True])
def test_the_fusion_of_the_page_keeps_its_promises(own_fusion, residual):
    gc.collect()  # one of its name that another test has defined
    results = check_fusion(own_fusion(residual=residual))
    assert {r["status"] for r in results} <= {"passed", "skipped"}


def test_the_fusion_of_the_page_is_among_all_fusions(own_fusion):
    head = FusionClassifier(max_epochs=1)
    question = Question("classes", head, ["left", "right"], 100)
    for asked in ("all", "product", [own_fusion()]):
        found = {c.label: c for c in list_candidates(asked, question)}
        assert found["product"].level == "relational"
        # the object itself: a process of n_jobs may not know the class of a name
        assert found["product"].estimator.fusion == own_fusion()
    del question, head, found


def test_pages_of_the_guide_are_in_its_index():
    index = (DOCS / "user_guide" / "index.rst").read_text("utf-8")
    pages = {p.stem for p in (DOCS / "user_guide").glob("*.rst")} - {"index"}
    listed = re.findall(r"^   ([a-z_]+)$", index, flags=re.MULTILINE)
    assert sorted(listed) == sorted(pages)
