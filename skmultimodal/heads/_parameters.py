"""Documentation of the parameters that all heads share."""

from __future__ import annotations

from inspect import cleandoc
from textwrap import indent
from typing import TypeVar

_FUSION = """
fusion : str or NeuralFusion, default="concat"
    How modalities are put together: the name of a fusion with its defaults, or a
    specification such as ``BottleneckFusion(n_tokens=8)``, whose parameters can be
    searched (``fusion__n_tokens``). In a classifier or regressor, "auto" lets folds of
    the training rows decide: linear models of each modality and of all, and nets of a
    short list of fusions, one of the best modality alone among them where that
    may be enough, predict the rows that they were not trained on. Then a pool of all
    of them or the simplest that is within a standard error of the best is taken,
    whichever has the lower loss out of fold (`fusion_report_`). Rows of one group,
    copies, and the parents of synthetic rows are never parted.
"""
_TOKENS = """
temporal : {"mean", "attention", "lstm", "gru", "transformer"}, default="mean"
    What the steps of a sequence learn from each other before the fusion. "mean" hands
    them on as they are, "attention" weights them, "lstm" and "gru" run over them in
    both directions, "transformer" is a layer of self-attention. A fusion that wants one
    vector a modality takes the mean of the steps. Absent steps take no part. Where X
    has no sequence block there is nothing to do, whatever is asked for.
embed_dim : int, default=64
    Width of a token, the same for all modalities.
"""
_HIDDEN = """
hidden_layer_sizes : int or sequence of int, default=(128,)
    Widths of the hidden layers behind the fusion; ``()`` is a linear output.
"""
_DROPOUT = """
dropout : float, default=0.3
    Dropout rate of tokens, attention and hidden layers.
modality_dropout : float, default=0.0
    Probability with which a present modality is hidden from a sample in a training
    step; one always stays.
"""
_BALANCE = """
aux_loss_weight : float, default=0.0
    Weight of a second loss: a linear output on each modality's own stream predicts y
    too, and the mean loss of these over the modalities that a row has is added.
modality_balance : {"ogm_ge", "gradient_blending"} or None, default=None
    Keeps one modality from learning in the place of the others. "ogm_ge" slows the
    token layers of a modality that is ahead of the mean of the others, and adds noise
    (arXiv:2203.15332). "gradient_blending" weighs the joint loss and the modalities'
    own losses by what they gain on held-out rows against what they overfit, five times
    in a training (arXiv:1905.12681); it holds out `validation_fraction` of the rows
    unless `X_val` is given, and sets the weights itself, so that `aux_loss_weight` is
    refused.
"""
_PREDICTION = """
n_members : int, default=1
    Members of an implicit ensemble: they share the net up to the fusion and most of the
    hidden layers, have outputs of their own, learn each by its own loss, and predict by
    the mean of their probabilities, or numbers (arXiv:2002.06715, arXiv:2410.24210).
    Hidden layers take so many times as long. Not for a fusion with its own outputs.
mixup : float, default=0.0
    α of manifold mixup: in training, the fused representation of each row is mixed with
    that of another, by shares from Beta(α, α), and so are their losses
    (arXiv:1806.05236). 0 is none, 1 all shares alike. Losses of single modalities are
    of unmixed rows. Not for a fusion with its own outputs.
"""
_TRAINING = """
lr : float, default=5e-3
    (Peak) learning rate of AdamW.
lr_schedule : {"cosine", "constant"}, default="cosine"
    A rise over the first twentieth of the steps (warm-up) and then half a cosine down
    to zero over `max_epochs`; or no change.
weight_decay : float, default=0.01
    Decoupled weight decay.
max_grad_norm : float or None, default=None
    Largest length of the gradient of a step; a longer one is cut to it.
average : {"ema", "swa"} or None, default=None
    Averages the weights. "ema": after each step, over about a tenth of all steps, the
    older the less. "swa": at the end of each epoch in the last quarter of `max_epochs`,
    in which the learning rate no longer falls (arXiv:1803.05407). Validated and kept
    are the averaged weights, where there are some yet. Not for `partial_fit`.
max_epochs : int, default=30
    Number of passes over the training rows.
batch_size : int or "auto", default="auto"
    Rows a step. "auto" is a power of two from 16 to 256 that gives about 32 steps an
    epoch, halved while memory runs out.
standardize : bool, default=True
    Centre each column on its training median, divide by its spread (interquartile, or
    2 to 98 % where that is larger) and squash it smoothly into (-3, 3). A feature of a
    sequence has one median and one spread for all steps.
block_scale : {"relevance", "equal"}, default="relevance"
    How loud the blocks are, beyond 1/√width. "relevance" makes modalities that explain
    little of y quieter where that lowers the leave-one-out error of a kernel ridge
    regression on 256 rows (closed form, before training; pairs of modalities count
    too), so that a weak modality does not drown a strong one.
modalities : dict of str to slice, list or mask, default=None
    Columns of each modality, where column names do not tell.
early_stopping : bool, default=False
    Hold out a part of the training rows, stop when its loss no longer falls, and keep
    the best weights.
validation_fraction : float, default=0.1
    Share of the rows to hold out.
validation_split : splitter, iterable or None, default=None
    Draws the rows to hold out instead: its first split is taken.
n_iter_no_change : int, default=10
    Epochs without a lower validation loss before stopping.
max_time : float, default=None
    Seconds of training after which to stop.
warm_start : bool, default=False
    Go on from the previous fit.
callbacks : list of skorch callbacks, default=None
    Copies of them are told of every epoch and batch; kept in `callbacks_`. Those that
    score predictions (``EpochScoring``, ``BatchScoring``) are refused: the net behind
    a head does not predict. Give `X_val` and read `history_`, or score the head.
device : str or torch.device, default="auto"
    "auto" is CUDA where there is one (in bfloat16 where it can), else the CPU.
random_state : int, RandomState instance or None, default=None
    Seed of weights, order and dropout. No global state is touched.
verbose : int, default=0
    Print a line an epoch.
"""
_ATTRIBUTES = """
module_ : torch.nn.Module
    The trained net.
history_ : list of dict
    For every epoch its number, losses, learning rate and seconds.
n_iter_ : int
    Number of epochs trained.
batch_size_ : int
    Rows a step.
callbacks_ : list
    The callbacks that were told; not kept in a pickle.
fusion_report_ : DataFrame
    With ``fusion="auto"``, in the place of `module_`: what was tried, its level, loss
    out of fold with its standard error, share in what is predicted, folds, and seconds.
    ``fusion_report_.attrs["summary"]`` says in words what was chosen.
n_features_in_ : int
    Number of columns of X.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Column names of X, if it has any.
"""

C = TypeVar("C", bound=type)


def document_parameters(cls: C) -> C:
    """Fill the shared sections into a head's docstring."""
    if cls.__doc__:  # gone under python -OO
        sections = {
            "fusion": _FUSION,
            "tokens": _TOKENS,
            "dropout": _DROPOUT,
            "common": _FUSION[:-1]
            + _TOKENS[:-1]
            + _HIDDEN[:-1]
            + _DROPOUT[:-1]
            + _BALANCE,
            "prediction": _PREDICTION,
            "training": _TRAINING,
            "attributes": _ATTRIBUTES,
        }
        cls.__doc__ = cleandoc(cls.__doc__).format(
            **{name: cleandoc(text) for name, text in sections.items()}
        )
        cls.__doc__ = indent(cls.__doc__, "    ").lstrip()
    return cls
