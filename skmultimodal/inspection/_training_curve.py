"""The losses of a fitted head, epoch by epoch, and what they say."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skmultimodal.heads._base import FusionHead
from skmultimodal.inspection._overfitting import Course, summarize

_COLUMNS = ["fold", "epoch", "train_loss", "valid_loss", "lr", "kept"]
_LOSSES = ["train_loss", "valid_loss", "lr"]


def training_curve(estimator: Any, *, candidate: str | None = None) -> pd.DataFrame:
    """Tell the losses of a fitted head by epoch, and in words whether it overfits.

    A net overfits where its validation loss rises while its training loss goes on
    falling: that is what the summary looks for, and the rise has to be more than the
    jitter of the curve. The distance of the two losses decides nothing, since they are
    not the same measure: the training loss is a mean over the epoch, while the weights
    change, with dropout, and with whatever is added to it.

    Parameters
    ----------
    estimator : fitted estimator
        A head (:class:`~skmultimodal.heads.FusionClassifier`,
        :class:`~skmultimodal.heads.FusionRegressor`,
        :class:`~skmultimodal.heads.FusionTransformer`), a Pipeline that ends in one, or
        a search with such a `best_estimator_`.
    candidate : str, default=None
        With ``fusion="auto"``, the net to look at, by its name in `fusion_report_`.
        None takes the net with the largest share in what is predicted.

    Returns
    -------
    DataFrame of shape (n_epochs, 6)
        A row an epoch, and a net: with ``fusion="auto"`` there is one a fold, and with
        many rows only that of all rows. Columns
        ``fold``, ``epoch`` (from 1), ``train_loss``, ``valid_loss`` (NaN where there
        was no validation part), ``lr`` (at the end of the epoch) and ``kept``, true in
        the epoch whose weights the net has. ``attrs["summary"]`` says it in words,
        ``attrs["overfits"]`` is True, False, or None where nothing tells: of several
        nets, what most of them do. ``attrs["candidate"]`` is the net's name or None.

    Raises
    ------
    TypeError
        If the estimator is no head and does not end in one.
    ValueError
        If `candidate` was not trained, or is None where ``fusion="auto"`` predicts by
        linear models alone.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    TrainingCurveDisplay : A picture of it.

    Examples
    --------
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.inspection import training_curve
    >>> X, y = make_multimodal_classification(300, random_state=0)
    >>> head = FusionClassifier(dropout=0.0, max_epochs=60, random_state=0)
    >>> curve = training_curve(head.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:]))
    >>> curve.shape
    (60, 6)
    >>> curve.attrs["overfits"]
    True
    >>> curve.attrs["summary"]  # doctest: +ELLIPSIS
    'Validation loss was lowest at epoch ... of 60 (...) and then rose ..., while
    training loss fell by ... %: the model overfits, and its last epoch is kept. ...'
    """
    head = _find_head(estimator)
    check_is_fitted(head)
    history = head.history_
    if hasattr(head, "fusion_report_"):
        candidate = _choose(head, candidate)
        history = [epoch for epoch in history if epoch["candidate"] == candidate]
    elif candidate is not None:
        raise ValueError(
            f"candidate={candidate!r}, but there are candidates only with "
            f"fusion='auto'; this head has fusion={head.fusion!r}. Leave it out."
        )
    # the net of all rows, where there is one, and not those that chose it
    history = [e for e in history if e.get("fold", 0) is None] or history
    by_fold: dict[int, list[dict[str, Any]]] = {}
    for epoch in history:
        by_fold.setdefault(epoch.get("fold") or 0, []).append(epoch)
    parts, courses = [], []
    for fold, epochs in by_fold.items():
        part = pd.DataFrame(epochs).reindex(columns=_COLUMNS)
        part[_LOSSES] = part[_LOSSES].astype(float)
        part["fold"] = fold
        last = _kept(epochs, head.early_stopping)
        part["kept"] = part.index == last
        parts.append(part)
        losses = part["train_loss"].to_numpy(), part["valid_loss"].to_numpy()
        courses.append(Course.of(*losses, last))
    curve = pd.concat(parts, ignore_index=True)
    summary, overfits = summarize(dict(zip(by_fold, courses)), candidate)
    curve.attrs |= {"summary": summary, "overfits": overfits, "candidate": candidate}
    return curve


def _find_head(estimator: Any) -> FusionHead:
    found = estimator
    while not isinstance(found, FusionHead):
        if isinstance(found, Pipeline):
            found = found.steps[-1][1]
        elif hasattr(found, "best_estimator_"):
            found = found.best_estimator_
        else:
            inside = "" if found is estimator else f", which ends in {_name(found)},"
            raise TypeError(
                f"{_name(estimator)}{inside} has no history of epochs: give a fitted "
                "head (FusionClassifier, FusionRegressor, FusionTransformer) or a "
                "Pipeline that ends in one. One that stands elsewhere can be given by "
                "itself, as in pipeline['fuse']."
            )
    return found


def _name(estimator: Any) -> str:
    return type(estimator).__name__


def _choose(head: FusionHead, candidate: str | None) -> str:
    """The name of a net that ``fusion="auto"`` has trained."""
    trained = list(dict.fromkeys(epoch["candidate"] for epoch in head.history_))
    if candidate is not None:
        if candidate not in trained:
            raise ValueError(
                f"candidate={candidate!r} is no net that fusion='auto' has trained. "
                f"These were: {trained}."
            )
        return candidate
    shares = head.fusion_report_["weight"].reindex(trained).fillna(0.0)
    if not (shares > 0).any():
        raise ValueError(
            "fusion='auto' predicts by linear models alone (fusion_report_), which "
            "have no epochs. To look at a net that it has tried and not taken, name it "
            f"by candidate=; these were trained: {trained}."
        )
    return str(shares.idxmax())


def _kept(epochs: list[dict[str, Any]], early_stopping: bool) -> int:
    """Position of the epoch whose weights the net has.

    After a warm start the weights are those of the last training, whose first epoch
    is its best so far: hence the last mark.
    """
    marks = [k for k, epoch in enumerate(epochs) if epoch.get("valid_loss_best")]
    restored = early_stopping and marks and "valid_loss" in epochs[-1]
    return marks[-1] if restored else len(epochs) - 1
