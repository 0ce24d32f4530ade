"""Tables of all fusions, written from the classes: a new one appears by itself.

What a class cannot say of itself stands here by its name. A class that is not named
gets its row too, with the first sentence of its docstring.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import torch
from sklearn.base import is_classifier
from torch.utils.flop_counter import FlopCounterMode

import skmultimodal.fusion
from skmultimodal.fusion import NeuralFusion
from skmultimodal.fusion._base import TASKS, fusion_name
from skmultimodal.fusion._blocks import ClosedFormFusion
from skmultimodal.fusion.decision_level._ensemble import ModalityEnsemble

LEVELS = ("feature", "hierarchical", "relational", "decision")
EMBED_DIM, N_MODALITIES, N_STEPS = 64, 3, 16

FORMULAS = {
    "AttentionPoolFusion": "h = Σ α_m V_m z_m, α = softmax_m(qᵀ tanh(W z_m) + log a_m)",
    "BlockPCAFusion": "h = [Z_1 V_1 / σ_1; …; Z_M V_M / σ_M]",
    "BottleneckFusion": "[z_m; b_m] ← layer([z_m; b]), b ← the mean of b_m",
    "CCAFusion": "max Σ_{m≠n} w_mᵀ C_mn w_n, with Σ w_mᵀ D_m w_m = 1",
    "ConcatFusion": "h = [z_1; …; z_M]",
    "CrossAttentionFusion": "z_m ← F(z_m + Σ_n a_n γ_mn ∘ softmax(Q_m K_nᵀ / √d) V_n)",
    "EmbraceFusion": "h_k = v_{m,k}, m drawn ∝ a_m; to predict Σ a_m v_m / Σ a_m",
    "EvidentialFusion": "e_m = softplus(f_m(z_m)), 1 + e / K = ∏ (1 + e_m / K)",
    "FiLMFusion": "h_t = (1 + γ_t(z_c)) ∘ z_t + β_t(z_c)",
    "GatedFusion": "h = Σ a_m g_m ∘ tanh(V_m z_m) / Σ a_m g_m, g = σ(W [z_1; …; z_M])",
    "GraphFusion": "x_m ← x_m + W_o Σ_n α_mn V norm(x_n)",
    "KernelFusion": "K = Σ μ_m K_m, h(i) · h(j) ≈ K(i, j)",
    "LatentFusion": "l ← l + attention(l, all tokens), h = the mean of l",
    "LowRankTensorFusion": "h = Σ_r ∏_m W_r^(m) [z_m; 1]",
    "MMTMFusion": "z_m ← 2σ(W_m e) ∘ z_m, e = ReLU(W [s_1; …; s_M])",
    "ModalityStackingClassifier": "f(p_1, …, p_M), each p_m out of fold",
    "ModalityStackingRegressor": "f(f_1, …, f_M), each f_m out of fold",
    "ModalityVotingClassifier": "p(c) ∝ π(c) ∏ (p_m(c) / π(c))^(a_m w_m)",
    "ModalityVotingRegressor": "f = Σ a_m w_m f_m / Σ a_m w_m",
    "ProgressiveFusion": "h_1 = f_1(z_1, z_2), h_k = f_k(h_{k-1}, z_{k+1})",
    "SimilarityNetworkFusion": "P_m ← S_m (the mean of the other P) S_mᵀ",
}
COSTS = {  # of what builds no net
    "BlockPCAFusion": "a PCA of each block",
    "CCAFusion": "a PCA of each block, and O(r³) for all ranks r",
    "KernelFusion": "O(k³) for k landmarks, O(n k p) to transform",
    "ModalityStacking": "``cv`` + 1 fits a modality, and the final one",
    "ModalityVoting": "``cv`` + 1 fits a modality; 1 without learned weights",
    "SimilarityNetworkFusion": "O(n³) time and O(n²) memory for at most 2,000 rows",
}
USES_Y = {"KernelFusion": "y if there is one"}


def fusions() -> list[type]:
    """Every fusion of the package, level by level."""
    found = {cls for base in _BASES for cls in _subclasses(base)}
    return sorted(found, key=lambda cls: (LEVELS.index(_level(cls)), cls.__name__))


def table(level: str) -> str:
    """Its fusions as a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 26 42 18 14", ""]
    lines += ["   * - fusion", "     - in one line", "     - cost", "     - needs"]
    for cls in fusions():
        if _level(cls) != level:
            continue
        said = [first_sentence(cls)]
        if cls.__name__ in FORMULAS:
            said += [f"``{FORMULAS[cls.__name__]}``"]
        name = [f":class:`~skmultimodal.fusion.{cls.__name__}`", _kind(cls)]
        cells = [name, said, [_cost(cls)], [_needs(cls)]]
        for k, cell in enumerate(cells):
            mark = "   * -" if k == 0 else "     -"
            lines += [f"{mark} {cell[0]}"]
            for more in cell[1:]:
                lines += ["", f"       {more}", ""]
    return "\n".join(lines) + "\n"


def first_sentence(thing: object) -> str:
    text = (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=[.:])\s", text)[0].rstrip(":.")


_BASES: tuple[type, ...] = (NeuralFusion, ClosedFormFusion, ModalityEnsemble)


def _subclasses(base: type) -> Iterator[type]:
    for cls in base.__subclasses__():
        yield from _subclasses(cls)
        ours = cls.__module__.startswith("skmultimodal.")
        if ours and not inspect.isabstract(cls) and _is_public(cls):
            yield cls


def _is_public(cls: type) -> bool:
    """A base of several is not offered to anyone."""
    if issubclass(cls, ModalityEnsemble):
        return cls.__name__ in skmultimodal.fusion.__all__
    return not cls.__name__.startswith("_")


def _level(cls: Any) -> str:
    return "decision" if issubclass(cls, ModalityEnsemble) else cls.level


def _kind(cls: type) -> str:
    if issubclass(cls, NeuralFusion):
        return f'neural, ``"{fusion_name(cls)}"``'
    if issubclass(cls, ClosedFormFusion):
        return f'transformer, ``"{fusion_name(cls)}"``'
    return "meta-estimator"


def _cost(cls: type) -> str:
    if issubclass(cls, NeuralFusion):
        weights, few = count_cost(cls, 1)
        _, many = count_cost(cls, N_STEPS)
        if not weights:
            return "nothing of its own"
        count = _short(few) if few == many else f"{_short(few)} to {_short(many)}"
        return f"{_short(weights)} weights, {count} operations"
    stem = re.sub(r"(Classifier|Regressor)$", "", cls.__name__)
    return COSTS.get(stem, "see there")


def count_cost(cls: type[NeuralFusion], n_steps: int) -> tuple[int, int]:
    """Weights, and additions and multiplications of matrix products for a row."""
    modalities = {f"m{k}": n_steps for k in range(N_MODALITIES)}
    shape = 1, n_steps
    fusion = cls()
    module = fusion.build(modalities, EMBED_DIM, 0.0).eval()
    output = fusion.build_output(modalities, EMBED_DIM, 2, 0.0)
    tokens = {m: torch.zeros(*shape, EMBED_DIM) for m in modalities}
    present = {m: torch.ones(shape, dtype=torch.bool) for m in modalities}
    with FlopCounterMode(display=False) as counter:
        out = module(tokens, present)
        if output is not None:
            output(out, present)
    nets = [module] if output is None else [module, output]
    n_weights = sum(p.numel() for net in nets for p in net.parameters())
    return n_weights, counter.get_total_flops()


def _short(number: int) -> str:
    for factor, unit in ((1e6, "\N{NO-BREAK SPACE}M"), (1e3, "\N{NO-BREAK SPACE}k")):
        if number >= factor:
            scaled = number / factor
            return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:.0f}{unit}"
    return str(number)


def _needs(cls: Any) -> str:
    least = getattr(cls, "min_modalities", 1)
    return _target(cls) if least == 1 else f"{least} modalities; {_target(cls)}"


def _target(cls: Any) -> str:
    if issubclass(cls, ClosedFormFusion):
        return USES_Y.get(cls.__name__, "no y")
    if issubclass(cls, ModalityEnsemble):
        return "classes or labels" if is_classifier(cls()) else "numbers"
    if set(cls.tasks) == set(TASKS):
        return "any y, or none"
    names = {"classification": "classes", "multilabel": "labels"}
    names |= {"regression": "numbers", "representation": "no y"}
    return ", ".join(names[task] for task in cls.tasks)
