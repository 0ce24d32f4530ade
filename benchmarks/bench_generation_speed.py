"""How fast does FusionGenerator train and write?

Ours and what it is compared with take turns in one process, on the same net, rows and
threads; ratios are paired in rounds, and the median of them counts. Replies have 20
tokens: the end is forbidden.

* writing: `predict` of all rows, beside a loop over single rows that reads the whole
  reply so far again at each token (timed on 25 rows);
* beams: `predict` with four beams beside one;
* training: tokens a second of `fit`, from frame and strings, beside the bare module in
  a hand-written loop over the same batches, ready as tensors.

    python benchmarks/bench_generation_speed.py [--rows 1000] [--rounds 5] [--epochs 10]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from _tables import keep, machine, table
from torch.nn import functional as F

from skmultimodal import pack
from skmultimodal.heads import FusionGenerator
from skmultimodal.heads._rows import Batches
from skmultimodal.heads.generating._examples import PAD, BucketOrder

LENGTH = 20
ALONE = 25  # rows of the slow loop
BARS = {"writing": 5.0, "beams": 5.0, "training": 0.9}


def make_data(n: int):
    """Pictures and texts as vectors; replies of 20 words out of 400."""
    rng = np.random.default_rng(0)
    blocks = {"image": rng.normal(size=(n, 128)), "text": rng.normal(size=(n, 64))}
    words = np.array([f"w{k}" for k in range(400)])
    y = [" ".join(words[rng.integers(400, size=LENGTH)]) for _ in range(n)]
    return pack(blocks), np.array(y, dtype=object)


def one_by_one(head: FusionGenerator, x: np.ndarray) -> None:
    """Greedy, without any cache, row after row."""
    net = head.module_
    with torch.inference_mode():
        for k in range(len(x)):
            part = head._inputs(x[k : k + 1])
            y = torch.zeros(1, 1, dtype=torch.long)  # its last place is read, not told
            for _ in range(LENGTH):
                logits = net(part.x, part.present, part.history, y).output
                y[0, -1] = logits[0, -1].argmax()
                y = F.pad(y, (0, 1))


def bare_loop(head: FusionGenerator, examples) -> None:
    torch.manual_seed(0)
    net = head._recipe.build().train()
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=head.lr, weight_decay=head.weight_decay, fused=True
    )
    order = BucketOrder(examples.lengths(), head.batch_size)
    batches = Batches(
        examples, head.batch_size, torch.Generator().manual_seed(0), order
    )
    for _ in range(head.max_epochs):
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            output = net(*batch.inputs).output.flatten(0, 1)
            F.cross_entropy(output, batch.y.flatten(), ignore_index=PAD).backward()
            optimizer.step()


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(decoder: str, rows: int, rounds: int, epochs: int) -> list[list[str]]:
    X, y = make_data(rows)
    head = FusionGenerator(
        decoder=decoder,
        max_length=LENGTH,
        max_epochs=epochs,
        batch_size=64,
        random_state=0,
        device="cpu",
    ).fit(X, y)
    examples = head._inputs(X.to_numpy(), list(y))
    n_tokens = int((examples.y != PAD).sum()) * epochs
    with torch.no_grad():
        head.module_.bias[head.module_.end] = -1e4
    x = X.to_numpy()[:ALONE]

    def write(n_beams: int) -> Callable[[], object]:
        return lambda: head.set_params(n_beams=n_beams).predict(X)

    calls = {
        "fit": lambda: FusionGenerator(**head.get_params()).fit(X, y),
        "bare": lambda: bare_loop(head, examples),
        "greedy": write(1),
        "beam": write(4),
        "alone": lambda: one_by_one(head, x),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            once = seconds(call)
            if number:
                taken[name].append(once)
    t = {name: np.array(values) for name, values in taken.items()}
    t["alone"] *= rows / ALONE
    ratios = {
        "writing": t["alone"] / t["greedy"],
        "beams": t["beam"] / t["greedy"],
        "training": t["bare"] / t["fit"],
    }
    shown = {
        "writing": (rows * LENGTH / t["greedy"], rows * LENGTH / t["alone"]),
        "beams": (rows * LENGTH / t["beam"], rows * LENGTH / t["greedy"]),
        "training": (n_tokens / t["fit"], n_tokens / t["bare"]),
    }
    found = []
    for what, ratio in ratios.items():
        middle, bar = float(np.median(ratio)), BARS[what]
        good = middle <= bar if what == "beams" else middle >= bar
        ours, other = (f"{np.median(speed):,.0f}" for speed in shown[what])
        found.append(
            [
                decoder,
                what,
                ours,
                other,
                f"{middle:.2f} ({ratio.min():.2f} to {ratio.max():.2f})",
                f"{'≤' if what == 'beams' else '≥'} {bar}",
                "reached" if good else "missed",
            ]
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for decoder in ("lstm", "transformer"):
        rows += measure(decoder, options.rows, options.rounds, options.epochs)
    header = ["decoder", "what", "ours, tokens/s", "other, tokens/s"]
    header += ["ratio: median (range)", "bar", ""]
    said = (
        f"{options.rows} replies of {LENGTH} tokens, {options.epochs} epochs, "
        f"{options.rounds} rounds, {torch.get_num_threads()} threads. writing: beside "
        "single rows without a cache; beams: time of four beams / greedy; training: "
        f"fit beside the bare module's loop. {machine()}"
    )
    page = "\n\n".join([table(header, rows), said])
    keep("generation_speed.md", page)
    print(page)


if __name__ == "__main__":
    main()
