"""Evidence of each modality, combined by Dempster's rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import MLP, PerModality, pool_tokens
from skmultimodal.nn._losses import WeightedLoss

_MOST = 80.0  # log α in the loss: its exponential is finite


class EvidentialFusion(NeuralFusion):
    """Each modality gives evidence for the classes; Dempster's rule combines it.

    e_m = softplus(f_m(z_m)) ≥ 0 gives the parameters α_m = e_m + 1 of a Dirichlet
    distribution over the K class probabilities. With S_m = Σ_k α_mk, modality m
    believes b_m = e_m / S_m and is uncertain by u_m = K / S_m. Two opinions become
    b = (b_1 b_2 + b_1 u_2 + b_2 u_1) / (1 - C) and u = u_1 u_2 / (1 - C) with the
    conflict C = Σ_{j≠k} b_1j b_2k, and so on for more. An absent modality has no
    evidence (u_m = 1) and changes nothing. Class probabilities are α / S, and
    ``head.predict_uncertainty(X)`` gives u: 1 where a row has no modality, higher where
    one is absent, where modalities disagree, and where the head is wrong. It is no
    test for outliers: a row far beyond a class gets evidence for that class.

    The loss, of each modality's opinion and of the combined one, is the expected cross
    entropy ψ(S) - ψ(α_y), plus a Kullback-Leibler term that takes evidence for wrong
    classes away. It comes in over the first `annealing_epochs` epochs. For classes
    only; d_out = M embed_dim, about embed_dim² parameters a modality.

    Parameters
    ----------
    joint_view : bool, default=True
        Whether all modalities together are one more view that gives evidence, so that
        what no modality tells alone can be learned.
    kl_weight : float, default=0.1
        Weight of the Kullback-Leibler term once it is in. The paper has 1, which makes
        all rows more uncertain, strange ones most, and predictions a little worse: on
        two noisy halves of scikit-learn's digits 0.871 right against 0.891, with errors
        told from right rows equally well.
    annealing_epochs : int, default=10
        Epochs over which the term comes in.

    References
    ----------
    Han, Zhang, Fu and Zhou, "Trusted Multi-View Classification with Dynamic Evidential
    Fusion", arXiv:2204.11423. Sensoy, Kaplan and Kandemir, "Evidential Deep Learning to
    Quantify Classification Uncertainty", arXiv:1806.01768.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.fusion import EvidentialFusion
    >>> from skmultimodal.heads import FusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=200)
    >>> text, image = rng.normal(size=(2, 200, 4)) + 2 * y[:, None]
    >>> X = pack({"text": text, "image": image})
    >>> head = FusionClassifier(EvidentialFusion(), random_state=0).fit(X, y)
    >>> nothing = X.iloc[:1] * np.nan
    >>> head.predict_uncertainty(nothing)
    array([1.])
    >>> bool(head.predict_uncertainty(X).mean() < 0.5)
    True
    """

    level: ClassVar[str] = "decision"
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    _parameter_constraints: ClassVar[dict] = {
        "joint_view": ["boolean"],
        "kl_weight": [Interval(Real, 0, None, closed="left")],
        "annealing_epochs": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        joint_view: bool = True,
        kl_weight: float = 0.1,
        annealing_epochs: int = 10,
    ):
        self.joint_view = joint_view
        self.kl_weight = kl_weight
        self.annealing_epochs = annealing_epochs

    def build(
        self, modalities: Mapping[str, int], embed_dim: int, dropout: float
    ) -> FusionModule:
        """Build the torch module.

        Parameters
        ----------
        modalities : dict of str to int
            Number of tokens of each modality.
        embed_dim : int
            Width of a token.
        dropout : float
            Not used here: the evidence comes in :meth:`build_output`.

        Returns
        -------
        FusionModule
        """
        return _Views(list(modalities), embed_dim)

    def build_output(
        self,
        modalities: Mapping[str, int],
        embed_dim: int,
        n_outputs: int,
        dropout: float,
    ) -> nn.Module:
        """Build the layers that give evidence.

        Parameters
        ----------
        modalities : dict of str to int
            Number of tokens of each modality.
        embed_dim : int
            Width of a token.
        n_outputs : int
            Number of classes.
        dropout : float
            Dropout rate of the hidden layers.

        Returns
        -------
        torch.nn.Module
            Gives log α of the combined opinion and of each modality's: a softmax of it
            is the expected class probability.
        """
        return _Evidence(
            list(modalities), embed_dim, n_outputs, dropout, self.joint_view
        )

    def make_loss(self, modalities: Sequence[str]) -> WeightedLoss:
        """The evidential loss.

        Parameters
        ----------
        modalities : list of str
            Names of the modalities.

        Returns
        -------
        WeightedLoss
        """
        return EvidentialLoss(len(modalities), self.kl_weight, self.annealing_epochs)


class _Views(FusionModule):
    def __init__(self, modalities: list[str], d: int):
        super().__init__()
        self.d_out = len(modalities) * d

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        pooled = {m: pool_tokens(z, present[m]) for m, z in tokens.items()}
        fused = torch.cat(list(pooled.values()), dim=1)  # (n, M * d)
        return FusionOutput(fused, tokens=tokens, per_modality=pooled)


class _Evidence(nn.Module):
    def __init__(
        self, modalities: list[str], d: int, k: int, dropout: float, joint_view: bool
    ):
        super().__init__()
        self.each = PerModality({m: MLP(d, (d,), k, dropout) for m in modalities})
        self.joint = MLP(len(modalities) * d, (d,), k, dropout) if joint_view else None

    def forward(
        self, out: FusionOutput, present: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        assert out.per_modality is not None
        here = {m: p.any(1).unsqueeze(1) for m, p in present.items()}  # (n, 1)
        evidence = {
            m: F.softplus(self.each[m](z)) * here[m]
            for m, z in out.per_modality.items()
        }
        views = list(evidence.values())
        if self.joint is not None:
            anything = torch.stack(list(here.values())).any(0)
            views.append(F.softplus(self.joint(out.fused)) * anything)
        return combine_evidence(views), {m: e.log1p() for m, e in evidence.items()}


def combine_evidence(views: list[Tensor]) -> Tensor:
    """log α of evidence combined by Dempster's rule: (n, K) each -> (n, K)

    The combined evidence of two views is b_1 b_2 + b_1 u_2 + b_2 u_1 divided by
    u_1 u_2 / K: the conflict cancels out, and 1 + e / K = Π_m (1 + e_m / K) for any
    number of views. That product may exceed any float: logarithms are added.
    """
    k = views[0].shape[1]
    total = torch.stack([(e / k).log1p() for e in views]).sum(0)  # log(1 + e / K)
    return total + (k - (k - 1) * (-total).exp()).log()


class EvidentialLoss(WeightedLoss):
    """ψ(S) - ψ(α_y) + λ KL(Dir(α without the evidence for y) || Dir(1)).

    output: (n, K) log α, y: (n,) class numbers
    """

    def __init__(self, n_modalities: int, kl_weight: float, annealing_epochs: int):
        super().__init__()
        self.modality_weight = float(n_modalities)  # their sum, as the paper has it
        self.kl_weight, self.annealing_epochs = kl_weight, annealing_epochs
        self.now = kl_weight

    def start_epoch(self, number: int) -> None:
        self.now = self.kl_weight * min(1.0, number / self.annealing_epochs)

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        alpha = output.clamp_max(_MOST).exp()
        right = F.one_hot(y, alpha.shape[1]).to(alpha.dtype)
        expected = alpha.sum(1).digamma() - (right * alpha.digamma()).sum(1)
        misled = alpha * (1 - right) + right
        # validation losses are measured alike in all epochs
        weight = self.now if self.training else self.kl_weight
        return expected + weight * kl_from_uniform(misled)


def kl_from_uniform(alpha: Tensor) -> Tensor:
    """KL(Dir(α) || Dir(1)): (n, K) -> (n,)"""
    k = torch.tensor(float(alpha.shape[1]), device=alpha.device)
    total = alpha.sum(1)
    constant = total.lgamma() - alpha.lgamma().sum(1) - k.lgamma()
    moved = (alpha - 1) * (alpha.digamma() - total.digamma().unsqueeze(1))
    return constant + moved.sum(1)
