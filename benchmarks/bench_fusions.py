"""Which fusion? All of them on real data, three seeds, peers and `auto` beside them.

Encoders are fitted once a set on the training part. Every single modality, the decision
level, every fusion with its defaults and ``fusion="auto"`` are then fitted once a seed
and scored on the test part (closed forms have a logistic or ridge regression behind
them). Before any test row is looked at, ``compare_fusions`` picks a fusion on folds of
the training part, with encoders fitted in each fold ("picked": the best row of its
table but the single modalities; at most 4,000 training rows, by group). "auto", one of
these rows, picks by itself. Standard errors: bootstrap over test rows, of differences
pairwise, averaged over seeds. Seconds are processor time, as machines are shared.
Peers' scores come from the anchors beside the data. Sets with fewer than 600 test rows
are also split anew ten times, with a peer (logistic or ridge regression of all blocks
side by side, each scaled by one over the root of its width) on each.

A set takes long. With ``--kept FOLDER`` what was predicted in an earlier run is taken
from there, and what is new is put there; empty the folder when the code has changed.

    python benchmarks/bench_fusions.py --sets     (makes the page of what has been run)
    python benchmarks/bench_fusions.py [--sets leaf mfeat] [--seeds 3] [--resplits 10]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _real_data import TASKS, Task, anchors
from _tables import RESULTS, keep, machine, table
from scipy import stats
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import accuracy_score, f1_score, r2_score
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedShuffleSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmultimodal import multimodal_pipeline, unpack
from skmultimodal.compose import ModalitySelector
from skmultimodal.fusion import (
    BlockPCAFusion,
    CCAFusion,
    KernelFusion,
    ModalityStackingClassifier,
    ModalityStackingRegressor,
    ModalityVotingClassifier,
    ModalityVotingRegressor,
    SimilarityNetworkFusion,
)
from skmultimodal.fusion._base import known_fusions
from skmultimodal.model_selection import compare_fusions
from skmultimodal.model_selection._encoded_folds import is_encoded

SETS = ["easy_vqa", "easy_vqa_4k", "leaf", "mfeat", "mmmo", "petfinder", "houses"]
SETS += ["av_digits_noisy", "basic_motions"]
BARS = {"easy_vqa": 0.99, "leaf": 0.99, "mfeat": 0.994, "av_digits_noisy": 0.985}
METRICS = {
    "accuracy": accuracy_score,
    "macro_f1": lambda y, p: f1_score(y, p, average="macro"),
    "r2_log": r2_score,
}
SCORING = {"accuracy": "accuracy", "macro_f1": "f1_macro", "r2_log": "r2"}
PICK_ROWS = 4_000
ONCE = ("easy_vqa",)  # one seed: some fusions take minutes on 38,575 questions
FEW_TEST_ROWS = 600
PARTS = RESULTS / "fusions"


def load(name: str) -> Task:
    """A task; easy_vqa_4k trains on 4,000 questions, those of whole pictures."""
    if name != "easy_vqa_4k":
        return TASKS[name]()
    task = TASKS["easy_vqa"]()
    rows = np.flatnonzero(task.train)
    few = some_rows(rows, task.groups[rows], 4_000, seed=0)
    kept = np.sort(np.concatenate([few, np.flatnonzero(~task.train)]))
    return Task(
        name,
        task.X.iloc[kept].reset_index(drop=True),
        task.y[kept],
        task.train[kept],
        task.metric,
        0.97,
        groups=task.groups[kept],
    )


def some_rows(rows: np.ndarray, groups: Any, n: int, seed: int) -> np.ndarray:
    """At most about n of the rows, whole groups of them."""
    if len(rows) <= n:
        return rows
    if groups is None:
        return np.sort(np.random.default_rng(seed).permutation(rows)[:n])
    share = n / len(rows)
    splitter = GroupShuffleSplit(1, train_size=share, random_state=seed)
    return rows[next(splitter.split(rows, groups=groups))[0]]


@dataclass
class Encoded:
    """A task behind its encoders."""

    task: Task
    model: Any  # a fitted pipeline of encoders and a head that is not
    X_train: pd.DataFrame
    X_test: pd.DataFrame
    y_train: np.ndarray
    y_test: np.ndarray
    groups: np.ndarray | None

    @classmethod
    def of(cls, task: Task, train: np.ndarray, test: np.ndarray) -> Encoded:
        model = multimodal_pipeline(
            task.kind, fusion="concat", modalities=task.modalities, **task.head_params
        )
        y = np.asarray(task.y)
        seen = model[:-1].fit_transform(task.X.iloc[train], y[train])
        new = model[:-1].transform(task.X.iloc[test])
        groups = None if task.groups is None else np.asarray(task.groups)[train]
        return cls(task, model, seen, new, y[train], y[test], groups)

    @property
    def head(self) -> Any:
        return self.model[-1]

    @property
    def modalities(self) -> list[str]:
        return list(unpack(self.X_train.iloc[:1]))

    def linear(self) -> Any:
        if self.task.kind == "regressor":
            return RidgeCV(np.logspace(-3, 4, 15))
        return LogisticRegressionCV(
            Cs=np.logspace(-2, 2, 5),
            cv=3,
            max_iter=500,
            class_weight=self.task.head_params.get("class_weight"),
            scoring="neg_log_loss",
            use_legacy_attributes=False,
            l1_ratios=(0,),
        )

    def candidates(self) -> dict[str, Any]:
        """Label -> estimator over the encoded frame, without the single modalities."""
        is_class = self.task.kind == "classifier"
        vote = ModalityVotingClassifier if is_class else ModalityVotingRegressor
        stack = ModalityStackingClassifier if is_class else ModalityStackingRegressor
        task = "classification" if is_class else "regression"
        found = {"voting": vote(), "stacking": stack()}
        for closed in (BlockPCAFusion, CCAFusion, KernelFusion):
            name = closed.__name__
            found[name] = make_pipeline(closed(), StandardScaler(), self.linear())
        if len(self.X_train) <= 3_000:
            found["SimilarityNetworkFusion"] = make_pipeline(
                SimilarityNetworkFusion(), StandardScaler(), self.linear()
            )
        for name, cls in known_fusions().items():
            if not cls.__module__.startswith("skmultimodal."):
                continue
            if task in cls.tasks and len(self.modalities) >= cls.min_modalities:
                found[name] = clone(self.head).set_params(fusion=name)
        found["auto"] = clone(self.head).set_params(fusion="auto")
        return found

    def single(self, modality: str) -> Any:
        return make_pipeline(ModalitySelector([modality]), clone(self.head))

    def peer(self) -> Any:
        """A linear model of all blocks side by side, each as loud as the others."""
        parts = unpack(self.X_train.iloc[:1])
        widths = {m: int(np.prod(part.shape[1:])) for m, part in parts.items()}
        names = self.X_train.columns.str.split("__").str[0]
        scale = np.array([widths[m] ** -0.5 for m in names])
        return make_pipeline(
            SimpleImputer(keep_empty_features=True),
            StandardScaler(),
            FunctionTransformer(lambda X: np.asarray(X) * scale),
            self.linear(),
        )

    def score(
        self, estimator: Any, seed: int, file: Path | None = None
    ) -> tuple[np.ndarray, float, float]:
        """Predictions of the test part, their score, and processor seconds to fit."""
        if file is not None and file.exists():
            known = json.loads(file.read_text())
            found, seconds = np.array(known["found"]), known["seconds"]
        else:
            estimator = seeded(estimator, seed)
            start = time.process_time()
            estimator.fit(self.X_train, self.y_train)
            seconds = time.process_time() - start
            found = estimator.predict(self.X_test)
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                known = {"found": found.tolist(), "seconds": seconds}
                file.write_text(json.dumps(known))
        return found, METRICS[self.task.metric](self.y_test, found), seconds


def seeded(estimator: Any, seed: int) -> Any:
    estimator = clone(estimator)
    names = [p for p in estimator.get_params() if p.split("__")[-1] == "random_state"]
    return estimator.set_params(**dict.fromkeys(names, seed))


def pick(data: Encoded, kept: Path | None) -> pd.Series:
    """Mean scores by compare_fusions on the training part: nothing else decides.

    All questions of easy_vqa would take hours: what 4,000 of them say is taken.
    """
    task = data.task
    few = PARTS / f"{task.name}_4k.json"
    if few.exists():
        rows = json.loads(few.read_text())["rows"]
        return pd.Series({row[1]: float(row[2]) for row in rows if row[2]})
    asked = data.candidates()
    parts = [
        compare(data, {label: asked[label] for label in labels}, file)
        for labels, file in (
            ([label for label in asked if label != "auto"], "folds.json"),
            (["auto"], "folds_auto.json"),
        )
        for file in [None if kept is None else kept / task.name / file]
    ]
    return pd.concat([parts[0], parts[1][["auto"]]])


def compare(data: Encoded, asked: dict[str, Any], file: Path | None) -> pd.Series:
    if file is not None and file.exists():
        return pd.Series(json.loads(file.read_text()))
    task, train = data.task, np.flatnonzero(data.task.train)
    if len(train) > PICK_ROWS:
        train = some_rows(train, task.groups, PICK_ROWS, seed=1)
    X = task.X.iloc[train]
    groups = None if task.groups is None else np.asarray(task.groups)[train]
    compared = compare_fusions(
        X,
        np.asarray(task.y)[train],
        asked,
        estimator=data.head if is_encoded(X) else data.model,
        cv=4,
        groups=groups,
        scoring=SCORING[task.metric],
        random_state=0,
        verbose=1,
    )
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(compared["mean"].to_json())
    return compared["mean"]


class Bootstrap:
    """Standard errors from drawing test rows again."""

    def __init__(self, y: np.ndarray, metric: str, n_draws: int = 200):
        rng = np.random.default_rng(0)
        self.y, self.metric = y, METRICS[metric]
        self.draws = [rng.integers(len(y), size=len(y)) for _ in range(n_draws)]

    def scores(self, prediction: np.ndarray) -> np.ndarray:
        return np.array([self.metric(self.y[d], prediction[d]) for d in self.draws])

    def error(self, found: list[np.ndarray]) -> float:
        """found: scores of the draws, for each seed"""
        return float(np.mean([np.std(scores) for scores in found]))

    def difference(self, a: list[np.ndarray], b: list[np.ndarray]) -> float:
        return float(np.mean([np.std(x - y) for x, y in zip(a, b)]))


def evaluate(
    name: str, seeds: int, kept: Path | None
) -> tuple[list[list[str]], list[str], str]:
    task = load(name)
    train, test = np.flatnonzero(task.train), np.flatnonzero(~task.train)
    data = Encoded.of(task, train, test)
    compared = pick(data, kept)
    fusions = [label for label in compared.index if label in data.candidates()]
    picked = compared[fusions].idxmax()
    boot = Bootstrap(data.y_test, task.metric)
    means, draws, seconds, rows = {}, {}, {}, []
    parts = {f"{m} alone": data.single(m) for m in data.modalities}
    for label, estimator in {**parts, **data.candidates()}.items():
        n = 1 if name in ONCE else seeds
        runs = [
            data.score(estimator, seed, file)
            for seed in range(n)
            for file in [kept and kept / name / f"{label} {seed}.json"]
        ]
        scores = [score for _, score, _ in runs]
        means[label] = float(np.mean(scores))
        draws[label] = [boot.scores(prediction) for prediction, _, _ in runs]
        seconds[label] = float(np.mean([s for _, _, s in runs]))
        folds = compared.get(label, np.nan)
        rows.append(
            [
                name,
                label,
                "" if np.isnan(folds) else f"{folds:.4f}",
                f"{means[label]:.4f}",
                f"{np.std(scores, ddof=1):.4f}" if n > 1 else "one seed",
                f"{boot.error(draws[label]):.4f}",
                f"{seconds[label]:.1f}",
                "picked" if label == picked else "",
            ]
        )
        print("  " + "  ".join(rows[-1]), flush=True)
    peers = anchors(name.removesuffix("_4k"), task.metric)
    if name != "easy_vqa_4k":
        for method, score in peers[:2]:
            label = f"peer: {method}".replace("|", "/")
            rows.append([name, label, "", f"{score:.4f}", "", "", "", ""])
    said = verdicts(name, data, means, draws, seconds, picked, peers, boot)
    return rows, said, picked


def verdicts(
    name: str,
    data: Encoded,
    means: dict[str, float],
    draws: dict[str, list[np.ndarray]],
    seconds: dict[str, float],
    picked: str,
    peers: list[tuple[str, float]],
    boot: Bootstrap,
) -> list[str]:
    """The lines of the issue, each with its number."""
    said = []
    singles = [label for label in means if label.endswith(" alone")]
    alone = max(singles, key=lambda label: means[label])
    best = max(means, key=lambda label: means[label])

    def against(label: str, other: str) -> str:
        gap = means[label] - means[other]
        error = boot.difference(draws[label], draws[other])
        fine = "holds" if gap >= -error else "MISSED"
        return f"{gap:+.4f} (se {error:.4f}): {fine}"

    said.append(f"picked {picked} − best alone ({alone}): {against(picked, alone)}")
    if name != "easy_vqa_4k":
        method, score = peers[0]
        error = boot.error(draws[picked])
        fine = "holds" if means[picked] >= score - error else "MISSED"
        gap = means[picked] - score
        said.append(
            f"picked {picked} − best peer ({method}): {gap:+.4f} (se {error:.4f}): "
            f"{fine}"
        )
    said.append(f"auto − best alone ({alone}): {against('auto', alone)}")
    said.append(f"auto − best column ({best}): {against('auto', best)}")
    limit = len(data.modalities) + 5
    ratio = seconds["auto"] / seconds["concat"]
    fine = "holds" if ratio <= limit else "MISSED"
    said.append(f"auto takes {ratio:.1f} × concat (at most {limit}): {fine}")
    if name in BARS:
        fine = "reached" if means[picked] >= BARS[name] else "MISSED"
        said.append(f"picked ≥ {BARS[name]}: {means[picked]:.4f}: {fine}")
    if name.startswith("easy_vqa"):
        bar = 0.97 if name.endswith("4k") else 0.99
        levels = {n: c.level for n, c in known_fusions().items()}
        good = [
            label
            for label, mean in means.items()
            if mean >= bar and levels.get(label) in ("relational", "hierarchical")
        ]
        fine = "reached" if len(good) >= 2 else "MISSED"
        said.append(
            f"relational or hierarchical fusions ≥ {bar}: {len(good)} "
            f"({', '.join(good)}): {fine}"
        )
    return [f"{name}: {line}" for line in said]


def resplit(name: str, picked: str, n_splits: int, kept: Path | None) -> list[str]:
    """Picked, auto, the best alone and the peer on new splits of all rows."""
    task = load(name)
    n_test, n = int((~task.train).sum()), len(task.y)
    kind = ShuffleSplit if task.kind == "regressor" else StratifiedShuffleSplit
    splitter = kind(n_splits, test_size=n_test, random_state=0)
    found: dict[str, list[float]] = {}
    for number, (train, test) in enumerate(splitter.split(np.zeros(n), task.y)):
        data = Encoded.of(task, train, test)
        chosen = {f"{m} alone": data.single(m) for m in data.modalities}
        for label in dict.fromkeys((picked, "auto", "concat")):
            chosen[label] = data.candidates()[label]
        chosen["peer"] = data.peer()
        for label, estimator in chosen.items():
            file = kept and kept / name / f"resplit {label} {number}.json"
            score = data.score(estimator, number, file)[1]
            found.setdefault(label, []).append(score)
    scores = {label: np.array(values) for label, values in found.items()}
    singles = [label for label in scores if label.endswith(" alone")]
    alone = max(singles, key=lambda label: scores[label].mean())
    said = []
    for label in dict.fromkeys((picked, "auto", "concat")):
        for other in (alone, "peer"):
            gap = scores[label] - scores[other]
            share = 1 / n_splits + n_test / (n - n_test)
            half = stats.t.ppf(0.975, n_splits - 1) * np.sqrt(gap.var(ddof=1) * share)
            said.append(
                f"{name}: {label} {scores[label].mean():.4f} − {other} "
                f"{scores[other].mean():.4f} = {gap.mean():+.4f} ± {half:.4f}"
            )
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=SETS, choices=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--resplits", type=int, default=10)
    parser.add_argument("--kept", type=Path, help="folder of predictions made before")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    header = ["set", "method", "folds", "test", "sd", "se", "seconds", ""]
    for name in options.sets:
        print(name, flush=True)
        rows, said, picked = evaluate(name, options.seeds, options.kept)
        few = int((~load(name).train).sum()) < FEW_TEST_ROWS
        again = []
        if few:
            again = resplit(name, picked, options.resplits, options.kept)
        print("\n".join([*said, *again]), flush=True)
        # a set takes long: each is kept by itself, and the page made of all there are
        part = {"rows": rows, "said": said, "again": again, "machine": machine()}
        part |= {"clock": "processor"}
        PARTS.mkdir(parents=True, exist_ok=True)
        (PARTS / f"{name}.json").write_text(json.dumps(part, indent=1))
    parts = [
        json.loads((PARTS / f"{name}.json").read_text())
        for name in SETS
        if (PARTS / f"{name}.json").exists()
    ]
    page = [table(header, [row for part in parts for row in part["rows"]])]
    page.append("## What that says")
    page.append("\n".join(f"* {line}" for part in parts for line in part["said"]))
    page.append("## Ten new splits, 95 % intervals corrected (Nadeau and Bengio)")
    page.append("\n".join(f"* {line}" for part in parts for line in part["again"]))
    wall = [part["rows"][0][0] for part in parts if "clock" not in part]
    if wall:  # parts of an earlier version of this file
        page.append(
            f"Seconds of {', '.join(wall)} are wall clock of a crowded machine: what "
            "is said of auto's time there is not to be trusted."
        )
    machines = dict.fromkeys(part["machine"] for part in parts)
    page.append(f"{options.seeds} seeds. " + "; ".join(machines))
    keep("fusions.md", "\n\n".join(page))
    print("\n\n".join(page))


if __name__ == "__main__":
    main()
