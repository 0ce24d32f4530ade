"""What does a fusion cost? A training step of each beside `ConcatFusion`'s.

Three modalities of 16 steps, tokens of width 128, batches of 128 rows. A step is the
head's own: tokens, fusion, output layers, loss, backward pass and AdamW. "Alone" is the
forward and backward pass of the fusion's module over ready tokens. The fusions take
turns; times are medians, ratios are medians of the ratios within a round.

Kept: what the forward pass keeps for the backward pass, counted exactly. Peak: the most
that lives at once in a step, with weights, gradients and the optimiser's moments, as
the profiler (CPU) or the allocator (CUDA) saw it. The batch itself counts in neither.

The other tables are of fusion modules alone, over ready tokens: growth with the number
of modalities and of tokens, times of the fastest round. R² is that of a straight line.
"No exchange" runs the same transformer layers over each stream by itself; what is
beyond that is the exchange through the bottleneck. Operations are counted (two for each
multiplication and addition of a matrix product, forward and backward), not timed.

Times on the CPU are processor time on one thread: what a busy neighbour takes is not
counted.

    python benchmarks/bench_fusion_cost.py [--rounds 15] [--growth-rounds 10]
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from _tables import keep, machine, table
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from skmultimodal._layout import block_names, read_layout
from skmultimodal.fusion import (
    BottleneckFusion,
    FusionOutput,
    LowRankTensorFusion,
    NeuralFusion,
)
from skmultimodal.fusion._base import fusion_name, known_fusions
from skmultimodal.heads._network import Recipe
from skmultimodal.heads._rows import Rows
from skmultimodal.heads._trainer import Trainer
from skmultimodal.nn._losses import CrossEntropy

D, STEPS, MODALITIES, BATCH, CLASSES = 128, 16, 3, 128, 10
COUNTS = range(2, 9)
LENGTHS = (8, 16, 32, 64, 128)
SMALL_BATCH = 16
MB = 2**20
_STRAIGHT = 0.9999


class Step:
    """A training step of a head's net over random rows."""

    def __init__(self, fusion: NeuralFusion, device: str):
        torch.manual_seed(0)
        names = [
            name
            for k in range(MODALITIES)
            for name in block_names(f"m{k}", (BATCH, STEPS, D))
        ]
        layout = read_layout(len(names), names)
        recipe = Recipe(layout, fusion, D, (128,), 0.3, 0.0, CLASSES, (1.0,) * 3)
        self.device = torch.device(device)
        self.trainer = Trainer(
            recipe.build(),
            fusion.make_loss(layout.names) or CrossEntropy(),
            generator=torch.Generator(),
            lr=1e-3,
            weight_decay=0.01,
            device=device,
            verbose=0,
        ).initialize()
        self.net = self.trainer.module_.train()
        present = torch.ones(BATCH, MODALITIES * STEPS, dtype=torch.bool)
        y = torch.randint(CLASSES, (BATCH,))
        rows = Rows(torch.randn(BATCH, len(names)), present, y, None)
        self.rows = rows.to(self.device)

    def __call__(self) -> None:
        self.trainer.train_step(self.rows)

    @property
    def parameters(self) -> int:
        """Of the fusion, and of output layers of its own."""
        parts = [self.net.fusion, *([self.net.output] if self.net.is_own else [])]
        return sum(count(part) for part in parts)

    def loss(self) -> Tensor:
        out = self.net(self.rows.x, self.rows.present)
        return self.trainer.get_loss(out, self.rows.y, self.rows, training=True)

    def kept(self) -> int:
        return kept_bytes(self.loss, (*self.net.parameters(), self.rows.x))

    def peak(self) -> int:
        """Bytes that live at once in a step, weights and moments included."""
        standing = sum(p.numel() * p.element_size() for p in self.net.parameters()) * 3
        for parameter in self.net.parameters():
            parameter.grad = None
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            self()
            torch.cuda.synchronize()
            return torch.cuda.max_memory_allocated() - before + standing
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it talks of itself
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            self()
        assert seen.profiler is not None
        events = seen.profiler.kineto_results.events()
        moves = sorted((e for e in events if e.name() == "[memory]"), key=started)
        return int(np.cumsum([e.nbytes() for e in moves]).max()) + standing


def started(event) -> int:
    return event.start_ns()


class Alone:
    """Forward and backward pass of a fusion's module over ready tokens."""

    def __init__(
        self,
        fusion: NeuralFusion,
        n_modalities: int = MODALITIES,
        n_steps: int = STEPS,
        batch: int = BATCH,
        device: str = "cpu",
    ):
        torch.manual_seed(0)
        names = [f"m{k}" for k in range(n_modalities)]
        module = fusion.build(dict.fromkeys(names, n_steps), D, 0.3)
        self.module = module.to(device).train()
        self.tokens = {
            m: torch.randn(batch, n_steps, D, device=device, requires_grad=True)
            for m in names
        }
        here = torch.ones(batch, n_steps, dtype=torch.bool, device=device)
        self.present = dict.fromkeys(names, here)

    def loss(self) -> Tensor:
        out: FusionOutput = self.module(self.tokens, self.present)
        loss = out.fused.square().mean()
        return loss if out.loss is None else loss + out.loss

    def __call__(self) -> None:
        for leaf in (*self.module.parameters(), *self.tokens.values()):
            leaf.grad = None
        self.loss().backward()

    def kept(self) -> int:
        return kept_bytes(self.loss, (*self.module.parameters(), *self.tokens.values()))

    def operations(self) -> int:
        with FlopCounterMode(display=False) as counter:
            self()
        return counter.get_total_flops()


class NoExchange(Alone):
    """The layers of a `BottleneckFusion` over each stream, without shared tokens."""

    def loss(self) -> Tensor:
        found = []
        for m, z in self.tokens.items():
            for layer in self.module.layers[m]:
                z = layer(z, self.present[m])
            found.append(self.module.norm[m](z).mean(1))
        return torch.cat(found, dim=1).square().mean()


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def kept_bytes(loss: Callable[[], Tensor], given: Iterable[Tensor]) -> int:
    """Bytes that autograd keeps beyond what it is given, each storage once."""
    known = {tensor.untyped_storage().data_ptr() for tensor in given}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        loss()
    return sum(kept.values())


def in_turns(
    calls: Sequence[Callable[[], object]], rounds: int, device: str = "cpu"
) -> np.ndarray:
    """Milliseconds, (rounds, calls): each call once a round, after a round untimed."""
    taken = np.empty((rounds + 1, len(calls)))
    for times in taken:
        for k, call in enumerate(calls):
            start = now(device)
            call()
            times[k] = 1000 * (now(device) - start)
    return taken[1:]


def now(device: str) -> float:
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def straightness(x: Sequence[int], y: Sequence[float]) -> float:
    """R² of a straight line."""
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def verdict(
    claim: str, x: Sequence[int], times: Sequence[float], work: Sequence[float]
) -> list[str]:
    """Whether operations lie on a line and the last doubling costs at most double."""
    doubled = work[-1] / work[x.index(x[-1] // 2)]
    straight = straightness(x, work)
    holds = "holds" if straight > _STRAIGHT and doubled <= 2.001 else "MISSED"
    return [
        f"{claim}: operations R² {straight:.5f}, last doubling × {doubled:.2f}; times "
        f"R² {straightness(x, times):.3f}: {holds}"
    ]


def ours() -> dict[str, type[NeuralFusion]]:
    found = known_fusions()
    return {n: c for n, c in found.items() if c.__module__.startswith("skmultimodal.")}


def steps(device: str, rounds: int) -> list[list[str]]:
    known = ours()
    names = ["concat", *(name for name in known if name != "concat")]
    whole = [Step(known[name](), device) for name in names]
    alone = [Alone(known[name](), device=device) for name in names]
    times = in_turns(whole, rounds, device)
    times_alone = in_turns(alone, rounds, device)
    rows = []
    for k, name in enumerate(names):
        ratio = np.median(times[:, k] / times[:, 0])
        low, high = np.percentile(times[:, k] / times[:, 0], [25, 75])
        rows.append(
            [
                device,
                name,
                known[name].level,
                f"{np.median(times[:, k]):.1f}",
                f"{ratio:.2f} ({low:.2f} to {high:.2f})",
                f"{np.median(times_alone[:, k]):.1f}",
                f"{whole[k].parameters:,}",
                f"{whole[k].kept() / MB:.1f}",
                f"{whole[k].peak() / MB:.1f}",
            ]
        )
        print("  " + "  ".join(rows[-1]), flush=True)
    return rows


def by_modalities(
    fusion: NeuralFusion, batch: int, rounds: int
) -> tuple[list[list[str]], list[str]]:
    name = fusion_name(type(fusion))
    runs = [Alone(fusion, n, batch=batch) for n in COUNTS]
    times = in_turns(runs, rounds).min(axis=0)
    sizes = [count(run.module) for run in runs]
    kept = [run.kept() / MB for run in runs]
    work = [run.operations() / 1e9 for run in runs]
    rows = [
        [name, str(n), f"{times[k]:.2f}", f"{work[k]:.3f}"]
        + [f"{sizes[k]:,}", f"{kept[k]:.2f}"]
        for k, n in enumerate(COUNTS)
    ]
    columns = (times, work, sizes, kept)
    last, first = COUNTS[-1], COUNTS[0]
    rows.append([name, f"{last} : {first}", *(f"{c[-1] / c[0]:.2f}" for c in columns)])
    rows.append([name, "R²", *(f"{straightness(COUNTS, c):.5f}" for c in columns)])
    return rows, verdict(f"{name} is linear in modalities", COUNTS, times, work)


def by_tokens(rounds: int) -> tuple[list[list[str]], list[str]]:
    runs, bare = (
        [kind(BottleneckFusion(), MODALITIES, t, SMALL_BATCH) for t in LENGTHS]
        for kind in (Alone, NoExchange)
    )
    whole, streams = np.split(in_turns([*runs, *bare], rounds).min(axis=0), 2)
    work = [run.operations() / 1e9 for run in runs]
    between = [w - run.operations() / 1e9 for w, run in zip(work, bare)]
    kept = [run.kept() / MB for run in runs]
    exchange = whole - streams
    columns = (whole, streams, exchange, work, between, kept)
    rows = [
        [str(t), *(f"{column[k]:.2f}" for column in columns)]
        for k, t in enumerate(LENGTHS)
    ]
    ends = f"{LENGTHS[-1]} : {LENGTHS[0]}"
    rows.append([ends, *(f"{c[-1] / c[0]:.2f}" for c in columns)])
    rows.append(["R²", *(f"{straightness(LENGTHS, c):.5f}" for c in columns)])
    said = verdict("bottleneck is linear in tokens", LENGTHS, whole, work)
    said += verdict("its exchange is linear in tokens", LENGTHS, exchange, between)
    return rows, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--growth-rounds", type=int, default=10)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    header = ["device", "fusion", "level", "step, ms", "× concat (quartiles)"]
    header += ["alone, ms", "parameters", "kept, MB", "peak, MB"]
    rows = [row for device in devices for row in steps(device, options.rounds)]
    text = (
        f"A training step: {MODALITIES} modalities, {STEPS} tokens each, embed_dim "
        f"{D}, batch {BATCH}, {options.rounds} rounds\n\n{table(header, rows)}\n\n"
    )
    header = ["fusion", "modalities", "ms", "GFLOP", "parameters", "kept, MB"]
    rows, said = [], []
    for fusion, batch, rounds in (
        (LowRankTensorFusion(), BATCH, 3 * options.growth_rounds),
        (BottleneckFusion(), SMALL_BATCH, options.growth_rounds),
    ):
        found, line = by_modalities(fusion, batch, rounds)
        rows += found
        said += line
    text += (
        f"Growth with the number of modalities, {STEPS} tokens each (batch {BATCH} of "
        f"low_rank_tensor, {SMALL_BATCH} of bottleneck), "
        f"{3 * options.growth_rounds} and {options.growth_rounds} rounds\n\n"
        f"{table(header, rows)}\n\n"
    )
    header = ["tokens", "ms", "no exchange, ms", "exchange, ms", "GFLOP"]
    header += ["exchange, GFLOP", "kept, MB"]
    rows, lines = by_tokens(options.growth_rounds)
    text += (
        f"BottleneckFusion by tokens a modality: {MODALITIES} modalities, batch "
        f"{SMALL_BATCH}, {options.growth_rounds} rounds\n\n"
        f"{table(header, rows)}\n\n"
        + "\n".join(f"* {line}" for line in said + lines)
        + "\n\nOne thread. "
        + ("" if len(devices) > 1 else "No CUDA device: that part was skipped. ")
        + machine()
    )
    print(text)
    keep("fusion_cost.md", text)


if __name__ == "__main__":
    main()
