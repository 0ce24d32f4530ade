"""How good are relational and hierarchical fusions with 4,000 questions of easy_vqa?

Thirty epochs, the default, are few steps on few rows. Each fusion trains for 30 and for
80 epochs on three quarters of the pictures' questions and is scored on the rest; with
the better number it then trains on all 4,000, once a seed, and is scored on the test
part. Everything else is as the defaults have it.

    python benchmarks/bench_few_questions.py [--seeds 3] [--fusions mmtm]
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from _tables import keep, machine, table
from bench_fusions import Encoded, load
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold

from skmultimodal.fusion._base import known_fusions

EPOCHS = (30, 80)
LEVELS = ("hierarchical", "relational")
BAR = 0.97


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    names = [n for n, c in known_fusions().items() if c.level in LEVELS]
    parser.add_argument("--fusions", nargs="*", default=names, choices=names)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    task = load("easy_vqa_4k")
    train, test = np.flatnonzero(task.train), np.flatnonzero(~task.train)
    splitter = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    groups = np.asarray(task.groups)[train]
    fit, check = next(splitter.split(train, task.y[train], groups))
    part = Encoded.of(task, train[fit], train[check])
    whole = Encoded.of(task, train, test)
    rows, good = [], []
    for name in ["concat", *options.fusions]:
        head = clone(whole.head).set_params(fusion=name)
        tried = {}
        for epochs in EPOCHS:
            tried[epochs] = part.score(head.set_params(max_epochs=epochs), 0)[1]
        best = max(tried, key=lambda epochs: tried[epochs])
        head.set_params(max_epochs=best)
        start = time.perf_counter()
        scores = [whole.score(head, seed)[1] for seed in range(options.seeds)]
        seconds = (time.perf_counter() - start) / options.seeds
        spread = np.std(scores, ddof=1) if options.seeds > 1 else 0.0
        if np.mean(scores) >= BAR and name != "concat":
            good.append(name)
        rows.append(
            [
                name,
                *(f"{tried[epochs]:.4f}" for epochs in EPOCHS),
                str(best),
                f"{np.mean(scores):.4f}",
                f"{spread:.4f}",
                f"{seconds:.0f}",
            ]
        )
        print("  " + "  ".join(rows[-1]), flush=True)
    header = ["fusion", *(f"held out, {e} epochs" for e in EPOCHS)]
    header += ["epochs", "test", "sd", "seconds"]
    verdict = "reached" if len(good) >= 2 else "missed"
    said = f"At least two of them ≥ {BAR}: {len(good)} ({', '.join(good)}): {verdict}"
    page = [table(header, rows), said, f"{options.seeds} seeds. {machine()}"]
    keep("few_questions.md", "\n\n".join(page))
    print("\n\n".join(page))


if __name__ == "__main__":
    main()
