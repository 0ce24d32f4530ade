"""The list that "auto" would choose, spelled out."""

from __future__ import annotations

from skmultimodal.compose._auto import choose_encoders
from skmultimodal.compose._modality_transformer import ModalityTransformer, as_table


def make_modality_transformer(
    X, *, modalities=None, remainder="drop", n_jobs=None, verbose=False
):
    """Make a ModalityTransformer with the encoders that ``"auto"`` chooses for X.

    ``ModalityTransformer("auto")`` chooses anew in each `fit` and has no nested
    parameters before; this one has them, to be set and searched.

    Parameters
    ----------
    X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
        Raw data; only looked at.
    modalities : dict of column to str or encoder, default=None
        Overrules the choice column by column: ``"tabular"``, ``"text"``, ``"image"``,
        ``"audio"``, ``"video"``, ``"series"``, ``"precomputed"``, ``"dialogue"``,
        ``"drop"`` or an encoder.
    remainder : {"drop", "passthrough"} or estimator, default="drop"
        What happens to columns that are not in X yet.
    n_jobs : int, default=None
        Number of encoders that run in parallel.
    verbose : bool, default=False
        Print the time each encoder took to fit.

    Returns
    -------
    ModalityTransformer
        Not fitted, with an explicit list.

    Raises
    ------
    ValueError
        If a column holds what no encoder reads, or `modalities` names an unknown
        column or kind.

    Warns
    -----
    UserWarning
        If the cells of a column do not say what they are, as arrays of floats: with
        the guess, what else it may be, and what to give in `modalities`. If all cells
        of a column are missing.

    See Also
    --------
    ModalityTransformer : Encodes each modality of a raw frame.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmultimodal.compose import make_modality_transformer
    >>> X = pd.DataFrame({
    ...     "age": [1.0, 3.0],
    ...     "review": ["it was really very good", "we did not like it at all"],
    ... })
    >>> encode = make_modality_transformer(X)
    >>> [(name, columns) for name, _, columns in encode.transformers]
    [('tabular', ['age']), ('review', ['review'])]
    """
    X = as_table(X, "make_modality_transformer")
    entries, _ = choose_encoders(X, modalities)
    return ModalityTransformer(
        entries, remainder=remainder, n_jobs=n_jobs, verbose=verbose
    )
