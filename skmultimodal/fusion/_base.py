"""What a neural fusion is: a specification that builds a module, and its output."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from skmultimodal._specs import (
    Specification,
    known_specifications,
    make_specification,
    specification_name,
)
from skmultimodal.nn._losses import WeightedLoss

AUTO = "auto"  # no fusion's name: the head tries several
TASKS = ("classification", "multilabel", "regression", "representation")


class FusionOutput(NamedTuple):
    """What a fusion module gives.

    Parameters
    ----------
    fused : Tensor of shape (n, d_out)
        The fused representation.
    tokens : dict of str to Tensor of shape (n, T_m, embed_dim), default=None
        The streams of tokens after fusion.
    per_modality : dict of str to Tensor of shape (n, embed_dim), default=None
        One vector a modality.
    loss : Tensor of shape (), default=None
        A loss of the fusion's own, added to the head's.
    """

    fused: Tensor
    tokens: dict[str, Tensor] | None = None
    per_modality: dict[str, Tensor] | None = None
    loss: Tensor | None = None


class FusionModule(nn.Module):
    """Base class of fusion modules.

    A subclass sets `d_out`, the width of `fused`, and has
    ``forward(tokens, present) -> FusionOutput``, where ``tokens[m]`` has shape
    (n, T_m, d), ``present[m]`` is (n, T_m) bool, and T_m = 1 for a vector modality.
    Where ``present[m]`` is False, a learned token stands in ``tokens[m]``.
    """

    d_out: int


class NeuralFusion(Specification):
    """Base class of neural fusions: parameters now, a torch module inside `fit`.

    A fusion is to a head what a kernel is to
    :class:`~sklearn.gaussian_process.GaussianProcessClassifier`. It holds parameters,
    is cloned, printed, compared and searched (``head__fusion__n_heads``). A subclass
    stores its parameters in ``__init__``, lists what they may be in
    ``_parameter_constraints``, and implements :meth:`build`. Its name as a string is
    the class name in snake case without ``Fusion``.

    The class may say besides at which `level` it fuses ("feature", "hierarchical",
    "relational" or "decision": where tables list it), how many modalities it needs,
    `min_modalities`, and which `tasks` it is for.

    See Also
    --------
    skmultimodal.testing.check_fusion : Whether a fusion keeps what it has to promise.
    """

    level: ClassVar[str] = "feature"
    min_modalities: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = TASKS

    @abstractmethod
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
            Dropout rate.

        Returns
        -------
        FusionModule
        """

    def build_output(
        self,
        modalities: Mapping[str, int],
        embed_dim: int,
        n_outputs: int,
        dropout: float,
    ) -> nn.Module | None:
        """Build an output layer of the fusion's own; None takes the head's.

        Parameters
        ----------
        modalities : dict of str to int
            Number of tokens of each modality.
        embed_dim : int
            Width of a token.
        n_outputs : int
            Number of classes, labels or targets.
        dropout : float
            Dropout rate.

        Returns
        -------
        torch.nn.Module or None
            Its ``forward(out, present)`` takes a :class:`FusionOutput` and the presence
            of each step, and gives the output of shape (n, n_outputs) and, as a dict,
            the output of each modality.
        """
        return None

    def make_loss(self, modalities: Sequence[str]) -> WeightedLoss | None:
        """A loss of the fusion's own in place of the head's; None keeps that.

        Parameters
        ----------
        modalities : list of str
            Names of the modalities.

        Returns
        -------
        WeightedLoss or None
        """
        return None


def check_heads(embed_dim: int, n_heads: int, fusion: str) -> None:
    """Attention needs heads of equal width."""
    if embed_dim % n_heads:
        fits = [h for h in range(1, embed_dim + 1) if embed_dim % h == 0]
        raise ValueError(
            f"{fusion}(n_heads={n_heads}) cannot split embed_dim={embed_dim} evenly. "
            f"Choose n_heads among {fits}, or another embed_dim."
        )


def fusion_name(cls: type[NeuralFusion]) -> str:
    """``CrossAttentionFusion`` -> ``"cross_attention"``."""
    return specification_name(cls, "Fusion")


def known_fusions() -> dict[str, type[NeuralFusion]]:
    """Every neural fusion there is by name, a user's own included."""
    return known_specifications(NeuralFusion, "Fusion")


def make_fusion(fusion: Any) -> NeuralFusion:
    """A validated copy of a fusion given as a specification or by its name."""
    known = known_fusions()
    if isinstance(fusion, str) and fusion == AUTO:
        raise ValueError(
            "fusion='auto' chooses among predictions: it is for FusionClassifier "
            f"and FusionRegressor. Here, name one of {sorted(known)}."
        )
    remedy = (
        "a NeuralFusion such as BottleneckFusion(), or, in a classifier or regressor, "
        "'auto'"
    )
    return make_specification(fusion, NeuralFusion, known, "fusion", "fusions", remedy)
