"""Replies from a fitted pipeline, from raw columns on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import DialogueHistoryEncoder
from skmultimodal.heads._generator import FusionGenerator


def reply(pipeline, history, /, **columns):
    """Answer one turn.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted; a :class:`~skmultimodal.compose.ModalityTransformer` with a
        :class:`~skmultimodal.encoders.DialogueHistoryEncoder` comes first, a
        :class:`~skmultimodal.heads.FusionGenerator` last. A fitted search over such
        pipelines will do, too.
    history : list of (role, text), of str, or str
        What was said so far, oldest first; ``[]`` opens the conversation.
    **columns : dict
        The cell of each other raw column by its name: ``image=picture``; where `fit`
        saw no names, by its position: ``**{"0": picture}``. Those that are not given
        are missing.

    Returns
    -------
    str
        What the model says. Append it to the history, with its role, and go on.

    Raises
    ------
    TypeError
        If `pipeline` is no such pipeline.
    ValueError
        If it has no column of dialogues, or none of a name in `columns`.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    See Also
    --------
    sample_replies : Several replies by chance.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import Pipeline
    >>> from skmultimodal.compose import ModalityTransformer
    >>> from skmultimodal.encoders import DialogueHistoryEncoder
    >>> from skmultimodal.heads import FusionGenerator, reply
    >>> X = pd.DataFrame({"talk": [[("you", "ping")], [("you", "tick")]] * 50})
    >>> encode = ModalityTransformer([("talk", DialogueHistoryEncoder(), "talk")])
    >>> head = FusionGenerator(random_state=0)
    >>> model = Pipeline([("encode", encode), ("head", head)])
    >>> _ = model.fit(X, ["pong", "tock"] * 50)
    >>> history = []
    >>> for said in ["tick", "ping"]:
    ...     history = [("you", said)]
    ...     print(reply(model, history))
    tock
    pong
    """
    pipeline, _ = _parts(pipeline, "reply")
    X = _one_row(pipeline, history, columns)
    return str(pipeline.predict(X)[0])


def sample_replies(pipeline, X, n=1, *, temperature=1.0, top_p=1.0, random_state=None):
    """Draw replies to raw rows at random.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with a :class:`~skmultimodal.heads.FusionGenerator` at its end.
    X : DataFrame of shape (n_samples, n_columns)
        Raw rows, as `pipeline` was fitted on.
    n : int, default=1
        Replies a row.
    temperature : float, default=1.0
        Below 1 keeps to what is probable.
    top_p : float, default=1.0
        Draws from the fewest tokens that have this probability together.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    ndarray of str of shape (n_samples, n)

    Raises
    ------
    TypeError
        If `pipeline` is no such pipeline.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    See Also
    --------
    FusionGenerator.sample : The same for encoded rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skmultimodal.heads import FusionGenerator, sample_replies
    >>> X = np.random.default_rng(0).normal(size=(40, 3))
    >>> head = FusionGenerator(max_epochs=2, random_state=0)
    >>> model = make_pipeline(StandardScaler(), head).fit(X, ["yes", "no"] * 20)
    >>> sample_replies(model, X[:5], n=3, random_state=0).shape
    (5, 3)
    """
    pipeline, head = _parts(pipeline, "sample_replies")
    encoded = _encoded(pipeline, X)
    return head.sample(encoded, n, temperature, top_p, random_state)


def reply_log_likelihood(pipeline, X, y):
    """Log-likelihood of the reply of each raw row.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with a :class:`~skmultimodal.heads.FusionGenerator` at its end.
    X : DataFrame of shape (n_samples, n_columns)
        Raw rows, as `pipeline` was fitted on.
    y : array-like of str of shape (n_samples,)
        Their replies.

    Returns
    -------
    ndarray of shape (n_samples,)
        In nats, of all tokens and the end: what
        :func:`~skmultimodal.metrics.perplexity_score` takes.

    Raises
    ------
    TypeError
        If `pipeline` is no such pipeline.
    ValueError
        If y holds what is no text.
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.

    See Also
    --------
    FusionGenerator.log_likelihood : The same for encoded rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skmultimodal.heads import FusionGenerator, reply_log_likelihood
    >>> X, y = np.arange(40.0).reshape(-1, 1), np.array(["low", "high"]).repeat(20)
    >>> head = FusionGenerator(max_epochs=10, random_state=0)
    >>> model = make_pipeline(StandardScaler(), head).fit(X, y)
    >>> right, wrong = reply_log_likelihood(model, X[:1].repeat(2, 0), ["low", "high"])
    >>> bool(right > wrong)
    True
    """
    pipeline, head = _parts(pipeline, "reply_log_likelihood")
    return head.log_likelihood(_encoded(pipeline, X), y)


def reply_perplexity(pipeline, X, y, sample_weight=None):
    """Perplexity a token of the replies of raw rows.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with a :class:`~skmultimodal.heads.FusionGenerator` at its end.
    X : DataFrame of shape (n_samples, n_columns)
        Raw rows, as `pipeline` was fitted on.
    y : array-like of str of shape (n_samples,)
        Their replies.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of rows.

    Returns
    -------
    float
        At least 1. Models of other tokens are compared by
        :func:`~skmultimodal.metrics.perplexity_score`.

    Raises
    ------
    TypeError
        If `pipeline` is no such pipeline.
    ValueError
        If y holds what is no text.
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.

    See Also
    --------
    FusionGenerator.perplexity : The same for encoded rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skmultimodal.heads import FusionGenerator, reply_perplexity
    >>> X, y = np.arange(40.0).reshape(-1, 1), np.array(["low", "high"]).repeat(20)
    >>> head = FusionGenerator(max_epochs=10, random_state=0)
    >>> model = make_pipeline(StandardScaler(), head).fit(X, y)
    >>> bool(reply_perplexity(model, X, y) < 2)
    True
    """
    pipeline, head = _parts(pipeline, "reply_perplexity")
    return head.perplexity(_encoded(pipeline, X), y, sample_weight)


def _parts(pipeline: Any, what: str) -> tuple[Pipeline, FusionGenerator]:
    """The pipeline, that of a search if it is one, and its head."""
    pipeline = getattr(pipeline, "best_estimator_", pipeline)
    head = pipeline[-1] if isinstance(pipeline, Pipeline) else pipeline
    if not isinstance(pipeline, Pipeline) or not isinstance(head, FusionGenerator):
        raise TypeError(
            f"{what} takes a fitted Pipeline whose last step is a FusionGenerator; got "
            f"{type(pipeline).__name__}"
            + (f" that ends in {type(head).__name__}." if head is not pipeline else ".")
        )
    check_is_fitted(head)
    return pipeline, head


def _encoded(pipeline: Pipeline, X: Any) -> Any:
    return pipeline[:-1].transform(X) if len(pipeline) > 1 else X


def dialogue_parts(
    pipeline: Any, what: str
) -> tuple[ModalityTransformer, DialogueHistoryEncoder, Any]:
    """What encodes raw columns, what reads dialogues, and the column of these."""
    pipeline, _ = _parts(pipeline, what)
    encode = pipeline[0]
    if isinstance(encode, ModalityTransformer):
        for encoder, columns in encoders_of(encode):
            if isinstance(encoder, DialogueHistoryEncoder):
                return encode, encoder, columns[0]
    raise ValueError(
        f"{what} needs a column of dialogues: let the pipeline begin with a "
        "ModalityTransformer that has a DialogueHistoryEncoder. Without one, call "
        "pipeline.predict."
    )


def raw_names(encode: ModalityTransformer) -> list[Any]:
    """Columns that `fit` saw, by name, or by position where they had none."""
    return list(getattr(encode, "feature_names_in_", range(encode.n_features_in_)))


def encoders_of(encode: ModalityTransformer) -> Iterator[tuple[Any, list[Any]]]:
    """Each fitted encoder, the first of a Pipeline, and its raw columns."""
    for name, encoder, _ in encode.transformers_:
        if not isinstance(encoder, str):  # "drop"
            first = encoder[0] if isinstance(encoder, Pipeline) else encoder
            yield first, encode._labels(name)


def _one_row(pipeline: Pipeline, history: Any, cells: dict[str, Any]) -> pd.DataFrame:
    encode, _, talk = dialogue_parts(pipeline, "reply")
    names = raw_names(encode)
    others = [str(name) for name in names if name != talk]
    for name in cells:
        if name not in others:
            held = name == str(talk)
            given = "holds the history" if held else "is none of its columns"
            raise ValueError(
                f"reply: {name!r} {given}. Beside the history ({talk!r}) the pipeline "
                f"was fitted on {others}."
            )
    row = {**cells, str(talk): history}
    columns = {
        name: pd.Series([row.get(str(name))], dtype=object).infer_objects()
        for name in names
    }
    return pd.DataFrame(columns)
