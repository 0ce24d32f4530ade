"""Does turning weak modalities down help? ``block_scale`` on training rows alone.

Five folds of the training part of each set, encoded once: all blocks equally loud,
``block_scale="relevance"`` (the default), the same with the gains' power halved (v^p in
place of v^2p), and the best single modality. No test row is read.

    python benchmarks/bench_block_scale.py [--seeds 2]
"""

from __future__ import annotations

import argparse
import warnings
from unittest import mock

import numpy as np
from _real_data import TASKS, Task
from _tables import keep, machine, table
from bench_accuracy import METRICS
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline

from skmultimodal import multimodal_pipeline, unpack
from skmultimodal.compose import ModalitySelector
from skmultimodal.heads import _planning

SETS = ["leaf", "mfeat", "petfinder", "houses"]


def halved(*draws) -> np.ndarray:
    return _modality_gains(*draws) ** 0.5


_modality_gains = _planning.modality_gains


def folds(task: Task, X, y):
    if task.kind == "regressor":
        return KFold(5, shuffle=True, random_state=0).split(X)
    if task.groups is not None:
        groups = task.groups[task.train]
        return StratifiedGroupKFold(5, shuffle=True, random_state=0).split(X, y, groups)
    return StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)


def scores(task: Task, model, X, y, seeds: int) -> np.ndarray:
    found = []
    for seed in range(seeds):
        for train, test in folds(task, X, y):
            fitted = clone(model)
            fitted[-1].set_params(random_state=seed)
            fitted.fit(X.iloc[train], y[train])
            found.append(METRICS[task.metric](y[test], fitted.predict(X.iloc[test])))
    return np.array(found)


def evaluate(task: Task, seeds: int) -> list[str]:
    X, y = task.rows(train=True)
    model = multimodal_pipeline(
        task.kind, fusion="concat", random_state=0, **task.head_params
    )
    encoded, head = model[:-1].fit_transform(X, y), model[-1]
    names = list(unpack(encoded.iloc[:1]))

    def run(kept: list[str], **params: str) -> np.ndarray:
        chosen = clone(head).set_params(**params)
        pipeline = make_pipeline(ModalitySelector(kept), chosen)
        return scores(task, pipeline, encoded, y, seeds)

    alone = max((run([name]) for name in names), key=np.mean)
    equal = run(names, block_scale="equal")
    with mock.patch.object(_planning, "modality_gains", halved):
        half = run(names)
    both = [alone, equal, half, run(names)]
    cells = [f"{s.mean():.4f} ± {s.std() / len(s) ** 0.5:.4f}" for s in both]
    return [task.name, task.metric, *cells]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name in SETS:
        rows.append(evaluate(TASKS[name](), options.seeds))
        print("  ".join(rows[-1]), flush=True)
    header = ["set", "metric", "best alone", "equal", "v^p", "relevance: v^2p"]
    text = (
        f"{table(header, rows)}\n\nMean ± standard error over 5 folds of the training "
        f"part, {options.seeds} seeds. {machine()}"
    )
    print("\n" + text)
    keep("block_scale.md", text)


if __name__ == "__main__":
    main()
