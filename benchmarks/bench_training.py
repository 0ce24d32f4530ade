"""What does the scikit-learn face cost? Training and prediction beside plain loops.

Same net, data, batch size, epochs, optimiser and threads, in one process and taken in
turns. Speeds and ratios are those of the fastest round of each (on a shared machine
what is slower is slower for the neighbours' sake, as `timeit` has it); the median of
the paired ratios and its range stand beside them. The hand-written loop gets
ready, standardised tensors; ``FusionClassifier.fit`` gets a raw frame, and its time
includes checking, standardising and weighing it. Two rows stand for prediction: the
bare module fed ready tensors, and the bare module behind the same standardisation.

    python benchmarks/bench_training.py [--rows 20000] [--epochs 30] [--rounds 5]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from _tables import keep, machine, table
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from skmultimodal import multimodal_pipeline, pack
from skmultimodal.heads import FusionClassifier

WIDTHS = {"text": 384, "image": 512, "tabular": 32}
BATCH = 128
_NO_CUDA = "No CUDA device was at hand: that part was skipped. "


def make_data(n: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=n)
    blocks = {}
    for name, width in WIDTHS.items():
        means = rng.normal(scale=0.2, size=(4, width))
        blocks[name] = (rng.normal(size=(n, width)) + means[y]).astype(np.float32)
    return pack(blocks), y


def hand_written(
    head: FusionClassifier, x: torch.Tensor, present: torch.Tensor, y: torch.Tensor
) -> None:
    """What one would write without any library, over ready tensors."""
    torch.manual_seed(0)
    module = head._recipe.build().to(x.device)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=head.lr, weight_decay=head.weight_decay, fused=True
    )
    module.train()
    for _ in range(head.max_epochs):
        order = torch.randperm(len(x), device=x.device)
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            batch, here, target = (t.index_select(0, rows) for t in (x, present, y))
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(module(batch, here)[0], target)
            loss.backward()
            optimizer.step()


class ForSkorch(nn.Module):
    """The same net as skorch calls it."""

    def __init__(self, recipe):
        super().__init__()
        self.net = recipe.build()

    def forward(self, x, present):
        return self.net(x, present)[0]


def bare_skorch(
    head: FusionClassifier, x: torch.Tensor, present: torch.Tensor, y: np.ndarray
) -> None:
    """skorch with its own loader and callbacks."""
    net = NeuralNetClassifier(
        ForSkorch,
        module__recipe=head._recipe,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__fused=True,
        optimizer__weight_decay=head.weight_decay,
        lr=head.lr,
        max_epochs=head.max_epochs,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device=x.device,
    )
    net.fit({"x": x.cpu().numpy(), "present": present.cpu().numpy()}, y)


def seconds(call: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list]:
    """Each call once a round, first a round that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            once = seconds(call)
            if number:
                taken[name].append(once)
    return taken


def ratio(ours: list[float], theirs: list[float]) -> tuple[float, str]:
    """Their time over ours, fastest and paired: above 1, ours is faster."""
    paired = np.array(theirs) / np.array(ours)
    spread = f"{np.median(paired):.2f} ({paired.min():.2f} to {paired.max():.2f})"
    return min(theirs) / min(ours), spread


def training(n: int, epochs: int, rounds: int, device: str) -> list[list[str]]:
    X, y = make_data(n)
    head = FusionClassifier(
        batch_size=BATCH, max_epochs=epochs, device=device, random_state=0
    ).fit(X, y)
    x, present = (t.to(device) for t in head._inputs(X.to_numpy()))
    target = torch.from_numpy(y).to(device)
    taken = in_turns(
        {
            "FusionClassifier.fit": lambda: head.fit(X, y),
            "hand-written loop": lambda: hand_written(head, x, present, target),
            "bare skorch": lambda: bare_skorch(head, x, present, y),
        },
        rounds,
    )
    ours = taken["FusionClassifier.fit"]
    bars = {"hand-written loop": 0.95, "bare skorch": 1.8}
    rows = []
    for name, times in taken.items():
        bar = bars.get(name)
        value, paired = ratio(ours, times)
        verdict = ""
        if bar is not None:
            verdict = f"≥ {bar}: {'reached' if value >= bar else 'missed'}"
        speed = f"{n * epochs / min(times):,.0f} rows/s"
        rows.append(
            [f"training, {device}", name, speed, f"{value:.2f}", paired, verdict]
        )
    return rows


def predicting(n: int, rounds: int, device: str) -> list[list[str]]:
    X, y = make_data(n)
    head = FusionClassifier(max_epochs=1, device=device, random_state=0).fit(X, y)
    array = X.to_numpy()
    x, present = (t.to(device) for t in head._inputs(array))

    def module(rows: torch.Tensor, here: torch.Tensor) -> None:
        with torch.inference_mode():
            head.module_(rows, here)[0].softmax(1).cpu().numpy()

    def bare() -> None:
        for start in range(0, n, 1024):
            module(x[start : start + 1024], present[start : start + 1024])

    def standardised() -> None:
        for start in range(0, n, 1024):
            rows, here = head._inputs(array[start : start + 1024])
            module(rows.to(device), here.to(device))

    taken = in_turns(
        {
            "predict_proba": lambda: head.predict_proba(X),
            "bare module, ready tensors": bare,
            "bare module, standardising": standardised,
        },
        4 * rounds,
    )
    rows = []
    for name, times in taken.items():
        value, paired = ratio(taken["predict_proba"], times)
        verdict = ""
        if name != "predict_proba":
            verdict = f"≥ 0.9: {'reached' if value >= 0.9 else 'missed'}"
        speed = f"{n / min(times):,.0f} rows/s"
        rows.append(
            [f"predicting, {device}", name, speed, f"{value:.2f}", paired, verdict]
        )
    return rows


def one_row(rounds: int) -> list[list[str]]:
    rng = np.random.default_rng(0)
    words = ["cat", "dog", "small", "big", "kind", "shy", "young", "old", "white"]
    n = 500
    X = pd.DataFrame(
        {
            "age": rng.integers(1, 120, n),
            "fee": np.where(rng.random(n) < 0.2, np.nan, rng.gamma(2, 50, n)),
            "breed": rng.choice(["a", "b", "c", "d"], n),
            "state": rng.choice([f"state {k}" for k in range(12)], n),
            "text": [" ".join(rng.choice(words, 12)) for _ in range(n)],
        }
    )
    y = rng.integers(3, size=n)
    model = multimodal_pipeline(
        "classifier", fusion="concat", random_state=0, device="cpu"
    ).fit(X, y)
    row = X.iloc[:1]
    encoded = model[:-1].transform(row)
    x, present = model[-1]._inputs(encoded.to_numpy())

    def bare() -> None:
        with torch.inference_mode():
            model[-1].module_(x, present)[0].softmax(1).numpy()

    taken = in_turns(
        {
            "pipeline (tabular + text)": lambda: model.predict_proba(row),
            "head alone": lambda: model[-1].predict_proba(encoded),
            "bare module": bare,
        },
        20 * rounds,
    )
    return [
        ["one row, cpu", name, f"{1000 * np.median(times):.2f} ms", "", "", ""]
        for name, times in taken.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.threads:
        torch.set_num_threads(options.threads)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    rows = []
    for device in devices:
        rows += training(options.rows, options.epochs, options.rounds, device)
        rows += predicting(options.rows, options.rounds, device)
    rows += one_row(options.rounds)
    header = ["what", "how", "speed", "their time / ours", "paired", "bar"]
    blocks = " + ".join(map(str, WIDTHS.values()))
    text = (
        f"{table(header, rows)}\n\nBlocks of {blocks} columns, {options.rows:,} rows, "
        f"batch {BATCH}, {options.epochs} epochs, {torch.get_num_threads()} threads, "
        f"{options.rounds} rounds; one row: the median. "
        + (
            ""
            if torch.cuda.is_available()
            else "No CUDA device: that part was skipped. "
        )
        + machine()
    )
    print(text)
    keep("training.md", text)


if __name__ == "__main__":
    main()
