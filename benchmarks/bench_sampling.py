"""What does provenance cost? Samplers in a ModalitySampler beside taking rows by hand.

Each call is timed in turns in one process; the fastest round counts, as `timeit` has
it. "By hand" is ``X.iloc[rows]`` of the very rows that the sampler took. Stock samplers
stand beside, where they take such rows at all. Copies of a ModalityAugmenter are made
of cells that nobody has encoded; what an encoder then does to each is not counted.

    python benchmarks/bench_sampling.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import pickle
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from _tables import keep, machine, table
from imblearn.over_sampling import SMOTE, RandomOverSampler

from skmultimodal import pack
from skmultimodal.sampling import ModalityAugmenter, ModalitySampler

BAR = 0.05  # seconds more than taking rows by hand
Data = tuple[pd.DataFrame, np.ndarray]


def mixed(n: int = 20_000) -> Data:
    """150 columns of numbers, 50 of strings with gaps, one of arrays."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((n, 150)).astype(np.float32)).add_prefix("f")
    words = np.array(["a", "b", None, "d"], dtype=object)
    strings = words[rng.integers(0, 4, (n, 50))]
    cells = np.empty(n, dtype=object)
    cells[:] = list(rng.standard_normal((n, 4)))
    strings = pd.DataFrame(strings).add_prefix("s")
    return pd.concat([X, strings, pd.Series(cells, name="array")], axis=1), rare(n)


def sequences(n: int = 2000) -> Data:
    """One block of 16 x 512 columns."""
    rng = np.random.default_rng(0)
    return pack({"series": rng.standard_normal((n, 16, 512))}), rare(n)


def rare(n: int) -> np.ndarray:
    return (np.random.default_rng(1).random(n) < 0.2).astype(int)


def fastest(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of the fastest of several calls in turns; the first do not count."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number:
                taken[name].append(time.perf_counter() - start)
    return {name: min(times) for name, times in taken.items()}


def compare(what: str, data: Data, sampler: object, rounds: int) -> list[list[str]]:
    X, y = data
    wrapped = ModalitySampler(sampler)
    X_new, _ = wrapped.fit_resample(X, y)
    rows = wrapped.sample_indices_
    name = type(sampler).__name__
    seconds = fastest(
        {
            "rows by hand": lambda: X.iloc[rows],
            f"ModalitySampler({name}())": lambda: wrapped.fit_resample(X, y),
            f"{name}() itself": lambda: sampler.fit_resample(X, y),
        },
        rounds,
    )
    hand = seconds["rows by hand"]
    n_blocks = X_new._mgr.nblocks
    lines = []
    for how, took in seconds.items():
        bar = ""
        if how.startswith("Modality") and isinstance(sampler, RandomOverSampler):
            bar = f"≤ {BAR} s more: {'reached' if took - hand <= BAR else 'missed'}"
        blocks = str(n_blocks) if how.startswith("Modality") else ""
        more = f"{took - hand:+.3f} s" if took != hand else ""
        lines.append([what, how, f"{took:.3f} s", more, blocks, bar])
    return lines


def raw(n: int = 20_000) -> Data:
    """A column of short texts and one of paths."""
    rng = np.random.default_rng(0)
    words = np.array(["the", "house", "is", "red", "and", "old", "by", "a", "sea"])
    notes = [" ".join(line) for line in rng.choice(words, (n, 12))]
    paths = [f"photos/{k:06}.jpg" for k in range(n)]
    return pd.DataFrame({"note": notes, "photo": paths}), rare(n)


def augment(rounds: int) -> list[list[str]]:
    """Copies of all rows: cells that nobody has encoded yet."""
    X, y = raw()
    rows = np.tile(np.arange(len(X)), 2)
    chosen = {"paths": {"photo": None}, "texts": {"note": None}, "both": None}
    augmenters = {
        what: ModalityAugmenter(augmentations, random_state=0)
        for what, augmentations in chosen.items()
    }
    calls: dict[str, Callable[[], object]] = {"rows by hand": lambda: X.iloc[rows]}
    for what, augmenter in augmenters.items():
        calls[f"ModalityAugmenter, {what}"] = partial(augmenter.fit_resample, X, y)
    seconds = fastest(calls, rounds)
    hand = seconds["rows by hand"]
    copies = len(pickle.dumps(augmenters["paths"].fit_resample(X, y)[0]))
    size = (copies - len(pickle.dumps(X.iloc[rows]))) / len(X)
    lines = []
    for how, took in seconds.items():
        more = f"{took - hand:+.3f} s" if took != hand else ""
        note = f"{size:.0f} bytes a copy" if how.endswith("paths") else ""
        lines.append(["20,000 texts and paths", how, f"{took:.3f} s", more, "", note])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    rows += compare(
        "20,000 x 201, mixed",
        mixed(),
        RandomOverSampler(random_state=0),
        options.rounds,
    )
    for sampler in (RandomOverSampler(random_state=0), SMOTE(random_state=0)):
        rows += compare("2,000 x 8,192", sequences(), sampler, options.rounds)
    rows += augment(options.rounds)
    header = ["X", "how", "seconds", "more than by hand", "blocks", "bar"]
    text = f"{table(header, rows)}\n\n{options.rounds} rounds. {machine()}"
    print(text)
    keep("sampling.md", text)


if __name__ == "__main__":
    main()
