"""Weights and groups on their way to the estimators of single modalities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skmultimodal.fusion.decision_level._defaults import PerLabel


def cut_groups(groups: Any, rows: np.ndarray, n_rows: int) -> Any:
    """Groups of some rows; a Series that goes by label is left as it is."""
    if isinstance(groups, pd.Series):
        return groups.iloc[rows] if len(groups) == n_rows else groups
    if groups is None:
        return None
    values = np.asarray(groups)
    if len(values) != n_rows:
        raise ValueError(
            f"groups has {len(values)} entries, X has {n_rows} rows. Behind a sampler, "
            "give the groups of the original rows as a pandas Series that carries X's "
            "labels: it is aligned by label."
        )
    return values[rows]


def fit_params(
    estimator: Any, whose: str, weight: np.ndarray | None, groups: Any
) -> tuple[dict[str, Any], bool]:
    """Keyword arguments of an estimator's fit, and whether they are routed.

    Where the user has asked for metadata by set_fit_request, they are passed by name.
    Otherwise weights go to every step of a pipeline that takes them, and groups to
    its last step.
    """
    given = {"sample_weight": weight, "groups": groups}
    given = {name: value for name, value in given.items() if value is not None}
    if get_config()["enable_metadata_routing"]:
        wanted = get_routing_for_object(estimator).consumes("fit", given)
        if wanted and (weight is None or "sample_weight" in wanted):
            return {name: given[name] for name in wanted}, True
    params = {}
    if weight is not None:
        names = _names(estimator, "sample_weight")
        if not any(_reaches_model(estimator, name) for name in names):
            raise TypeError(
                f"{type(estimator).__name__} for {whose} takes no sample_weight. Give "
                "an estimator that does, or fit without weights."
            )
        params.update(dict.fromkeys(names, weight))
    if groups is not None:
        params.update(
            (name, groups)
            for name in _names(estimator, "groups")
            if _reaches_model(estimator, name)
        )
    return params, False


def takes_weight(estimator: Any) -> bool:
    """Whether the model itself, not a step before it, is fitted with weights."""
    names = _names(estimator, "sample_weight")
    return any(_reaches_model(estimator, name) for name in names)


def _names(estimator: Any, parameter: str) -> list[str]:
    """The keywords of fit by which a parameter reaches an estimator and its parts."""
    if isinstance(estimator, Pipeline):
        return [
            f"{step}__{name}"
            for step, part in estimator.steps
            for name in _names(part, parameter)
        ]
    if isinstance(estimator, BaseSearchCV) and parameter == "groups":
        return ["groups"]
    if isinstance(estimator, (BaseSearchCV, PerLabel)):
        return _names(estimator.estimator, parameter)
    return [parameter] if has_fit_parameter(estimator, parameter) else []


def _reaches_model(estimator: Any, name: str) -> bool:
    if isinstance(estimator, Pipeline):
        last, model = estimator.steps[-1]
        return name.startswith(f"{last}__") and _reaches_model(
            model, name.removeprefix(f"{last}__")
        )
    if isinstance(estimator, (BaseSearchCV, PerLabel)) and name != "groups":
        return _reaches_model(estimator.estimator, name)
    return True
