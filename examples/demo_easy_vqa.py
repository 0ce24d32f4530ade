"""
Question and picture in, answer out: five ways, cross-validated
===============================================================

Easy-VQA asks 48,000 questions about 5,000 small pictures. One ``GridSearchCV`` over
one ``Pipeline`` compares the question alone, the picture alone, and three ways to fuse
them, on the training pictures; the best is then tried on the test pictures. All
questions of a picture stay on one side of every split.

Run it with ``make demo``, or for a quick look::

    python examples/demo_easy_vqa.py --images 500
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.datasets import load_easy_vqa
from skmultimodal.encoders import ImageEncoder, TextEncoder
from skmultimodal.heads import FusionClassifier

BOTH = ["question", "picture"]
CANDIDATES = {
    "question alone": (["question"], "concat"),
    "picture alone": (["picture"], "concat"),
    "concat": (BOTH, "concat"),
    "gated": (BOTH, "gated"),
    "cross-attention": (BOTH, "cross_attention"),
}


class Progress:
    """A scorer that says how far the search has come, from whichever process."""

    def __init__(self, n_folds: int, log: Path):
        self.n_folds, self.log, self.start = n_folds, log, time.time()

    def __call__(self, pipeline, X, y) -> dict[str, float]:
        accuracy = pipeline.score(X, y)
        name = name_of(pipeline)
        with self.log.open("a") as file:
            file.write(f"{name},{accuracy}\n")
        scores = pd.read_csv(self.log, names=["name", "accuracy"])
        means = scores.groupby("name")["accuracy"].mean()
        done, total = len(scores), self.n_folds * len(CANDIDATES)
        seconds = time.time() - self.start
        print(
            f"  {done:2d}/{total}  {name:15s}  {accuracy:.4f}   "
            f"best so far: {means.idxmax():15s} {means.max():.4f}   "
            f"{seconds:3.0f} s gone, about {seconds / done * (total - done):3.0f} left",
            flush=True,
        )
        if done == total:
            print("  now the best once more, on all training pictures", flush=True)
        seconds = sum(epoch["dur"] for epoch in pipeline["head"].history_)
        return {"accuracy": accuracy, "fit_seconds": seconds}


def name_of(pipeline: Pipeline) -> str:
    chosen = (list(pipeline["select"].modalities), pipeline["head"].fusion)
    return next(name for name, setting in CANDIDATES.items() if setting == chosen)


def make_pipeline(cache: str, max_epochs: int) -> Pipeline:
    return Pipeline(
        [
            (
                "encode",
                ModalityTransformer(
                    [
                        ("question", TextEncoder(), "question"),
                        ("picture", ImageEncoder(), "image"),
                    ]
                ),
            ),
            ("select", ModalitySelector(BOTH)),
            ("head", FusionClassifier(max_epochs=max_epochs, random_state=0)),
        ],
        memory=cache,
    )


def compare(vqa, cache: str, args: argparse.Namespace) -> GridSearchCV:
    search = GridSearchCV(
        make_pipeline(cache, args.epochs),
        param_grid=[
            {"select__modalities": [modalities], "head__fusion": [fusion]}
            for modalities, fusion in CANDIDATES.values()
        ],
        scoring=Progress(args.folds, Path(cache, "progress.csv")),
        refit="accuracy",
        cv=StratifiedGroupKFold(args.folds, shuffle=True, random_state=0),
        n_jobs=args.jobs,
    )
    return search.fit(vqa.data, vqa.target, groups=vqa.groups)


def table_of(search: GridSearchCV) -> pd.DataFrame:
    found = search.cv_results_
    folds = [f"split{k}_test_accuracy" for k in range(search.n_splits_)]
    return pd.DataFrame(
        {
            "score": found["mean_test_accuracy"],
            "sd": np.std([found[f] for f in folds], axis=0, ddof=1),
            "fit seconds": found["mean_test_fit_seconds"],
            **{f: found[f] for f in folds},
        },
        index=list(CANDIDATES),
    )


def print_table(table: pd.DataFrame, chance: float) -> None:
    print(f"\n  {'':17s} {'score ± sd':>15s} {'fit seconds':>13s}")
    for name, row in table.iterrows():
        seconds = f"{row['fit seconds']:.1f}"
        print(f"  {name:17s} {row['score']:.4f} ± {row['sd']:.4f} {seconds:>13s}")
    print(f"  {'always the same':17s} {chance:.4f}\n")


def draw(table: pd.DataFrame, chance: float, test, answers, title: str, file: Path):
    """Some test pictures with their answers, and the scores of all candidates."""
    figure = plt.figure(figsize=(10, 6.6), layout="constrained")
    figure.suptitle(title, x=0.02, ha="left", fontsize=13)
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.5], hspace=0.04)
    draw_answers(top, test, answers)
    draw_scores(bottom, table, chance)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130)
    plt.close(figure)


def draw_answers(figure, test, answers, n: int = 6) -> None:
    kinds = test.data["question"].str.split().str[0].to_numpy()
    rng = np.random.default_rng(1)
    rows: list[int] = []
    for kind in ["what", "is", "what", "does", "what", "are"][:n]:  # of several kinds
        fits = np.flatnonzero(
            (kinds == kind) & ~np.isin(test.groups, test.groups[rows])
        )
        rows.append(int(rng.choice(fits if len(fits) else np.arange(len(kinds)))))
    for axes, row in zip(figure.subplots(1, n), rows):
        question, truth = test.data["question"].iloc[row], test.target[row]
        with Image.open(test.data["image"].iloc[row]) as picture:
            axes.imshow(picture.convert("RGB"))
        right = answers[row] == truth
        verdict = answers[row] if right else f"{answers[row]} (it is {truth})"
        words = question.split()
        lines = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
        axes.set_title("\n".join(lines), fontsize=9)
        colour = "tab:green" if right else "tab:red"
        axes.set_xlabel(verdict, color=colour, fontsize=11, fontweight="bold")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color("lightgray")


def draw_scores(figure, table: pd.DataFrame, chance: float) -> None:
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    places = np.arange(len(table))[::-1]
    colours = ["tab:gray" if "alone" in name else "tab:blue" for name in table.index]
    folds = table.filter(regex=r"^split\d").to_numpy()
    left.axvline(chance, color="black", lw=1, ls=":")
    left.annotate(
        " always the\n same answer",
        (chance, 0.02),
        xycoords=("data", "axes fraction"),
        fontsize=8,
        color="dimgray",
    )
    for place, colour, row, fold in zip(places, colours, table.itertuples(), folds):
        left.plot(fold, np.full(len(fold), place), "o", color=colour, ms=5, alpha=0.4)
        left.errorbar(row.score, place, xerr=row.sd, fmt="D", color=colour, capsize=4)
        left.annotate(
            f"{row.score:.4f} ± {row.sd:.4f}",
            (row.score + (0.01 if row.score < 0.8 else 0), place + 0.16),
            ha="right" if row.score > 0.8 else "left",
            va="bottom",
            fontsize=9,
        )
    left.set_yticks(places, table.index)
    left.set(xlim=(0, 1.02), ylim=(-0.6, len(table) - 0.3))
    left.set_xlabel("accuracy on pictures held out (diamond and bar: mean ± sd)")
    seconds = right.barh(places, table["fit seconds"], color=colours, height=0.5)
    right.bar_label(seconds, fmt=" %.1f", fontsize=9)
    right.set_xlabel("seconds to fit the head")
    right.margins(x=0.2)
    right.tick_params(axis="y", length=0)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="0.92")
        axes.set_axisbelow(True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--images", type=int, help="only so many training pictures")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, default=Path("demo_results/easy_vqa.png"))
    args = parser.parse_args()
    # Small nets gain little from threads, and lose much where cores are busy.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // args.jobs))

    start = time.perf_counter()
    train = load_easy_vqa(subset="train", n_images=args.images, random_state=0)
    test = load_easy_vqa(subset="test")
    n_images = len(np.unique(train.groups))
    print(
        f"easy-VQA: {len(train.target):,} questions about {n_images:,} training "
        f"pictures, {len(train.target_names)} answers; {args.folds} folds split by "
        "picture\n"
        "Each fold is encoded once and found in the cache by the other candidates; fit "
        "seconds are those of the head."
    )
    with tempfile.TemporaryDirectory() as cache:
        search = compare(train, cache, args)
        answers = search.predict(test.data)
    table = table_of(search)
    dummy = DummyClassifier().fit(train.data, train.target)
    chance = dummy.score(test.data, test.target)
    best, score = list(CANDIDATES)[search.best_index_], np.mean(answers == test.target)
    print_table(table, chance)
    print(
        f"  The best, {best}, fitted to all training pictures, gives "
        f"{score:.4f}\n  of {len(answers):,} right answers about 1,000 test pictures."
    )
    title = f"easy-VQA: {best} answers {score:.1%} of {len(answers):,} test questions"
    draw(table, chance, test, answers, title, args.out)
    print(f"  {args.out}   ({time.perf_counter() - start:.0f} s in all)")


if __name__ == "__main__":
    main()
