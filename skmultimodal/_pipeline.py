"""Encoders and a head in one call."""

from __future__ import annotations

from typing import Any

from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skmultimodal.compose import ModalityTransformer
from skmultimodal.fusion._base import AUTO, make_fusion
from skmultimodal.heads import FusionClassifier, FusionRegressor
from skmultimodal.losses._base import make_loss
from skmultimodal.sampling import ModalityAugmenter, ModalitySampler

_HEADS = {"classifier": FusionClassifier, "regressor": FusionRegressor}


def multimodal_pipeline(
    task: str,
    *,
    fusion: Any = "auto",
    augmenter: Any = None,
    sampler: Any = None,
    modalities: Any = None,
    store: Any = None,
    memory: Any = None,
    n_jobs: int | None = None,
    **head_params: Any,
) -> Pipeline:
    """Make a pipeline from a raw table to predictions.

    Parameters
    ----------
    task : {"classifier", "regressor"}
        What the head is.
    fusion : str or NeuralFusion, default="auto"
        How modalities are put together. "auto" lets folds of the training rows decide,
        single modalities among the candidates: it takes several times as long as one
        fusion, and ``pipeline["head"].fusion_report_`` tells what was tried. Another
        name becomes the specification with its defaults, so that its parameters can be
        searched (``head__fusion__n_heads``).
    augmenter : ModalityAugmenter, default=None
        Adds changed copies of the raw rows in `fit`, before the encoders. It looks at
        the cells by itself: what `modalities` says of an ambiguous column, tell it too
        (``ModalityAugmenter({"trace": "series"})``). It takes the head's `random_state`
        if it has none.
    sampler : imbalanced-learn sampler, default=None
        Resamples the encoded rows in `fit`. It is wrapped in a
        :class:`~skmultimodal.sampling.ModalitySampler` unless it is one, and takes the
        head's `random_state` if it has none.
    modalities : dict or list, default=None
        None looks at the cells of each column. A dict overrules that column by column
        (``{"zipcode": "tabular", "photo": ImageEncoder(), "id": "drop"}``). A list of
        (name, encoder, columns) says it all.
    store : str, path or EmbeddingStore, default=None
        Where encoders keep what they have encoded, so that no content is encoded twice
        by any fold, candidate or process.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the fitted encoders.
    n_jobs : int, default=None
        Number of modalities to encode at once.
    **head_params : dict
        Parameters of :class:`~skmultimodal.heads.FusionClassifier` or
        :class:`~skmultimodal.heads.FusionRegressor`. The name of a loss becomes its
        specification too (``head__loss__gamma``).

    Returns
    -------
    Pipeline
        Steps ``augment`` and ``sample`` (only with an augmenter, or a sampler; then it
        is imbalanced-learn's Pipeline), and ``encode`` and ``head``, in the order
        ``augment``, ``encode``, ``sample``, ``head``.

    Raises
    ------
    ValueError
        If `task` or `fusion` is not known.
    TypeError
        If a parameter of the head does not exist, or `augmenter` is no
        ModalityAugmenter.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmultimodal import multimodal_pipeline
    >>> X = pd.DataFrame({
    ...     "review": ["what a great film it was", "dull and far too long for me"] * 20,
    ...     "stars": [5.0, None] * 20,
    ... })
    >>> y = ["good", "bad"] * 20
    >>> model = multimodal_pipeline("classifier", fusion="gated", random_state=0)
    >>> model.fit(X, y).predict(X[:2])
    array(['good', 'bad'], dtype='<U4')
    """
    if task not in _HEADS:
        raise ValueError(f"task={task!r} is not known; give one of {list(_HEADS)}.")
    if isinstance(modalities, list | tuple):
        encode = ModalityTransformer(list(modalities), store=store, n_jobs=n_jobs)
    else:
        encode = ModalityTransformer(
            "auto", modalities=modalities, store=store, n_jobs=n_jobs
        )
    if fusion != AUTO:
        fusion = make_fusion(fusion)
    if "loss" in head_params:
        head_params["loss"] = make_loss(head_params["loss"])
    head = _HEADS[task](fusion, **head_params)
    steps = [("encode", encode), ("head", head)]
    if augmenter is None and sampler is None:
        return Pipeline(steps, memory=memory)

    random_state = head_params.get("random_state")
    if sampler is not None:
        if not isinstance(sampler, ModalitySampler):
            sampler = ModalitySampler(_seeded(sampler, random_state))
        steps.insert(1, ("sample", sampler))
    if augmenter is not None:
        _check_augmenter(augmenter)
        steps.insert(0, ("augment", _seeded(augmenter, random_state)))
    return SamplingPipeline(steps, memory=memory)


def _check_augmenter(augmenter: Any) -> None:
    if isinstance(augmenter, ModalityAugmenter):
        return
    given = f"{augmenter!r:.80}"
    if isinstance(augmenter, type):
        given = f"the class {augmenter.__name__}"
    raise TypeError(
        f"augmenter is {given}; expected a ModalityAugmenter, such as "
        "ModalityAugmenter({'image': 'flip'}). Another sampler of raw rows goes before "
        "the steps of this pipeline, in imbalanced-learn's: Pipeline([('copy', "
        "ModalitySampler()), *pipeline.steps])."
    )


def _seeded(sampler: Any, random_state: Any) -> Any:
    """A copy with the head's seed, where the sampler takes one and has none."""
    if random_state is None or isinstance(sampler, type):
        return sampler
    if getattr(sampler, "random_state", random_state) is not None:
        return sampler
    return clone(sampler).set_params(random_state=random_state)
