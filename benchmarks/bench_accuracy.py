"""How good is the plain net? Real data, given splits, three seeds, peers beside it.

Every set goes raw into ``multimodal_pipeline(..., fusion="concat")`` with defaults;
only petfinder sets ``class_weight="balanced"``. Encoders are fitted once a set on the
training part (they do not depend on the head's seed), then the head once a seed, on all
modalities and on each alone. The test part is scored once a seed. Defaults were chosen
by cross-validation on the training parts of these same sets, with test scores in sight,
so these figures are somewhat optimistic. Standard errors are from a bootstrap over test
rows, averaged over seeds. Peers' scores come from the anchors beside the data.

    python benchmarks/bench_accuracy.py [--sets leaf mfeat] [--seeds 3] [--readme]
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from _real_data import TASKS, Task, anchors
from _tables import keep, machine, table
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score, r2_score
from sklearn.pipeline import make_pipeline

from skmultimodal import multimodal_pipeline, unpack
from skmultimodal.compose import ModalitySelector

README = Path(__file__).resolve().parents[1] / "README.md"
METRICS = {
    "accuracy": accuracy_score,
    "macro_f1": lambda y, p: f1_score(y, p, average="macro"),
    "r2_log": r2_score,
}


def standard_error(task: Task, y: np.ndarray, predictions: list[np.ndarray]) -> float:
    """Bootstrap over test rows, the mean over seeds."""
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(y), size=len(y)) for _ in range(200)]
    metric = METRICS[task.metric]
    spreads = [np.std([metric(y[d], p[d]) for d in draws]) for p in predictions]
    return float(np.mean(spreads))


def evaluate(task: Task, seeds: int) -> list[list[str]]:
    X_train, y_train = task.rows(train=True)
    X_test, y_test = task.rows(train=False)
    model = multimodal_pipeline(
        task.kind,
        fusion="concat",
        modalities=task.modalities,
        random_state=0,
        **task.head_params,
    )
    start = time.perf_counter()
    train = model[:-1].fit_transform(X_train, y_train)
    test = model[:-1].transform(X_test)
    encoding = time.perf_counter() - start
    names = list(unpack(train.iloc[:1]))
    rows = []
    for kept in [*([m] for m in names), names]:
        predictions, seconds = [], []
        for seed in range(seeds):
            head = clone(model[-1]).set_params(random_state=seed)
            fitted = make_pipeline(ModalitySelector(kept), head)
            start = time.perf_counter()
            predictions.append(fitted.fit(train, y_train).predict(test))
            seconds.append(time.perf_counter() - start)
        scores = [METRICS[task.metric](y_test, p) for p in predictions]
        error = standard_error(task, y_test, predictions)
        fused = kept is names
        label = "all, concat" if fused else f"{kept[0]} alone"
        verdict = ""
        if fused:
            mean = float(np.mean(scores))
            verdict = "reached" if mean >= task.bar else "missed"
            if task.bar - error <= mean < task.bar:
                verdict = "reached within one standard error"
            verdict = f"≥ {task.bar}: {verdict}"
        spread = float(np.std(scores, ddof=1)) if seeds > 1 else 0.0
        rows.append(
            [
                task.name,
                task.metric,
                label,
                f"{np.mean(scores):.4f}",
                f"{spread:.4f}",
                f"{error:.4f}",
                f"{np.mean(seconds) + (encoding if fused else 0):.1f}",
                verdict,
            ]
        )
        print("  " + "  ".join(rows[-1]), flush=True)
    peers = anchors(task.name, task.metric)
    singles = [peer for peer in peers if peer[0].startswith("single:")]
    fusions = [peer for peer in peers if not peer[0].startswith("single:")]
    for what, found in (("peer", fusions[:3]), ("peer, one modality", singles[:1])):
        for method, score in found:
            label = f"{what}: {method}".replace("|", "/")
            rows.append([task.name, task.metric, label, f"{score:.4f}", "", "", "", ""])
    return rows


def write_readme(rows: list[list[str]]) -> None:
    """The short table of README.md: best single modality, all, best peer."""
    short = []
    for name in TASKS:
        mine = [row for row in rows if row[0] == name]
        singles = [row for row in mine if row[2].endswith(" alone")]
        alone = max(singles, key=lambda row: float(row[3]))
        fused = next(row for row in mine if row[2].startswith("all"))
        peers = [row for row in mine if row[2].startswith("peer")]
        peer = max(peers, key=lambda row: float(row[3]))
        who = peer[2].split(": ", 1)[1].replace("|", "/").removeprefix("single:")
        best = f"{alone[3]} ({alone[2].removesuffix(' alone')})"
        mean = f"{fused[3]} ± {fused[4]}"
        short.append([name, fused[1], mean, best, f"{peer[3]} ({who})"])
    header = ["set", "metric", "all modalities", "best alone", "best peer"]
    start = "<!-- accuracy: written by benchmarks/bench_accuracy.py --readme -->\n"
    before, _, rest = README.read_text().partition(start)
    _, end, after = rest.partition("<!-- end of accuracy -->")
    README.write_text(f"{before}{start}{table(header, short)}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--readme", action="store_true", help="write README's table")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name in options.sets:
        print(name, flush=True)
        rows += evaluate(TASKS[name](), options.seeds)
    header = ["set", "metric", "method", "mean", "sd", "se", "seconds", "bar"]
    text = f"{table(header, rows)}\n\n{options.seeds} seeds. {machine()}"
    print("\n" + text)
    if options.sets == list(TASKS):
        keep("accuracy.md", text)
        if options.readme:
            write_readme(rows)


if __name__ == "__main__":
    main()
