"""What do losses, balanced batches and controls of overfitting cost in an epoch?

The same head on 20,000 x (384 + 128 + 32) columns, two classes of which one has a
tenth of the rows, with one thing changed at a time, in turns with the plain head in one
process. Counted is the processor time of a fit of four epochs less that of one of one
epoch, so without what comes before the loop. Ratios are to the plain head of the same
round, medians and quartiles. That of the fastest rounds stands beside them and is held
against the bar, as machines are shared.

    python benchmarks/bench_controls.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
import torch
from _tables import keep, machine, table
from sklearn.base import clone

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier

BAR = 1.05
PLAIN = "plain"
CONTROLS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "batch_sampler='balanced'": {"batch_sampler": "balanced"},
    "class_weight='balanced'": {"class_weight": "balanced"},
    "loss='focal'": {"loss": "focal"},
    "loss='logit_adjusted'": {"loss": "logit_adjusted"},
    "loss='ldam'": {"loss": "ldam"},
    "loss='class_balanced'": {"loss": "class_balanced"},
    "label_smoothing=0.1": {"label_smoothing": 0.1},
    "mixup=0.2": {"mixup": 0.2},
    "average='ema'": {"average": "ema"},
    "average='swa'": {"average": "swa"},
    "max_grad_norm=1.0": {"max_grad_norm": 1.0},
    "n_members=4": {"n_members": 4},
    "n_members=16": {"n_members": 16},
}


def epochs_only(head: FusionClassifier, X: Any, y: Any) -> float:
    """Processor seconds of three epochs."""
    taken = []
    for n_epochs in (1, 4):
        model = clone(head).set_params(max_epochs=n_epochs)
        start = time.process_time()
        model.fit(X, y)
        taken.append(time.process_time() - start)
    return taken[1] - taken[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    widths = {"text": 384, "image": 128, "tabular": 32}
    X = pack({m: rng.normal(size=(20_000, d)) for m, d in widths.items()})
    y = (rng.random(20_000) < 0.1).astype(int)
    plain = FusionClassifier(block_scale="equal", random_state=0)
    heads = {label: clone(plain).set_params(**p) for label, p in CONTROLS.items()}
    seconds: dict[str, list[float]] = {label: [] for label in heads}
    for number in range(options.rounds + 1):
        for label, head in heads.items():
            took = epochs_only(head, X, y)
            if number:  # the first round warms up
                seconds[label].append(took)
    rows, fastest = [], min(seconds[PLAIN])
    for label, took in seconds.items():
        ratios = np.array(took) / np.array(seconds[PLAIN])
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        ratio, bar = min(took) / fastest, ""
        if label.startswith("batch_sampler"):
            bar = f"≤ {BAR}: {'reached' if ratio <= BAR else 'MISSED'}"
        each = f"{1000 * min(took) / 3:.0f}"
        paired = f"{middle:.2f} ({low:.2f} to {high:.2f})"
        rows.append([label, each, f"{ratio:.2f}", paired, bar])
    header = ["head", "epoch, ms", "× plain, fastest", "paired (quartiles)", ""]
    text = f"{table(header, rows)}\n\n{options.rounds} rounds. {machine()}"
    print(text)
    keep("controls.md", text)


if __name__ == "__main__":
    main()
