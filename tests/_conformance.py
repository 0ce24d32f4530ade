"""Two tables: the instances that are tested, and the failures that are expected."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import BaseEstimator, is_classifier
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import column_or_1d

import skmultimodal
from skmultimodal import multimodal_pipeline, pack
from skmultimodal._specs import Specification
from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.encoders import (
    AudioEncoder,
    DialogueHistoryEncoder,
    ImageEncoder,
    PrecomputedEncoder,
    SeriesEncoder,
    TabularEncoder,
    TextEncoder,
    VideoEncoder,
)
from skmultimodal.fusion import (
    AttentionPoolFusion,
    BlockPCAFusion,
    BottleneckFusion,
    CCAFusion,
    ConcatFusion,
    CrossAttentionFusion,
    EmbraceFusion,
    FiLMFusion,
    GatedFusion,
    GraphFusion,
    KernelFusion,
    LatentFusion,
    LowRankTensorFusion,
    MMTMFusion,
    ModalityStackingClassifier,
    ModalityStackingRegressor,
    ModalityVotingClassifier,
    ModalityVotingRegressor,
    ProgressiveFusion,
    SimilarityNetworkFusion,
)
from skmultimodal.heads import (
    FusionClassifier,
    FusionGenerator,
    FusionRegressor,
    FusionTransformer,
)
from skmultimodal.model_selection import (
    FusionHalvingSearchCV,
    FusionRandomizedSearchCV,
    FusionSearchCV,
)
from skmultimodal.sampling import ModalityAugmenter, ModalitySampler

# --- scikit-learn's suite -------------------------------------------------------------

_TWO = {"a": slice(0, 1), "b": slice(1, None)}
_QUICK: dict[str, Any] = {"max_epochs": 3, "random_state": 0}
# as scikit-learn itself checks its searches, and over heads
_SEARCH: dict[str, Any] = {"cv": 2, "error_score": "raise"}
_SEARCHED = [
    (Ridge(), {"alpha": [0.1, 1.0]}),
    (LogisticRegression(), {"C": [0.1, 1.0]}),
    (Pipeline([("pca", PCA()), ("ridge", Ridge())]), {"ridge__alpha": [0.1, 1.0]}),
    (
        Pipeline([("pca", PCA()), ("logistic", LogisticRegression())]),
        {"logistic__C": [0.1, 1.0]},
    ),
    (FusionClassifier(max_epochs=20, random_state=0), {"lr": [0.001, 0.01]}),
]


class WritesNumbers(FusionGenerator):
    """The generator where y is numbers, as in the suite: they are written as words.

    What it says of rows is the probability of each token at the start of a reply;
    its prediction is the number of the most probable.
    """

    def _read_target(self, y, *, reset):
        if y is not None:
            y = column_or_1d(y, dtype=None, warn=True)
            if y.dtype.kind == "f" and not np.isfinite(y).all():
                raise ValueError("Input y contains NaN or infinity.")
            y = [text if isinstance(text, str) else f"{text:.0f}" for text in y]
        return super()._read_target(y, reset=reset)

    def predict_proba(self, X):
        return self.predict_proba_next(X)[1].astype(np.float32)  # as the net is

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)

    def score(self, X, y):
        return super().score(X, self._read_target(y, reset=False))


INSTANCES: dict[type, list[BaseEstimator]] = {
    ModalityTransformer: [
        ModalityTransformer(),
        ModalityTransformer([("x", StandardScaler(), slice(0, None))]),
    ],
    ModalitySelector: [ModalitySelector()],
    PrecomputedEncoder: [PrecomputedEncoder()],
    TabularEncoder: [TabularEncoder()],
    TextEncoder: [TextEncoder()],
    ImageEncoder: [ImageEncoder()],
    AudioEncoder: [AudioEncoder()],
    VideoEncoder: [VideoEncoder()],
    SeriesEncoder: [SeriesEncoder()],
    DialogueHistoryEncoder: [DialogueHistoryEncoder()],
    FusionClassifier: [FusionClassifier(max_epochs=20, random_state=0)],
    FusionRegressor: [FusionRegressor(max_epochs=20, random_state=0)],
    FusionGenerator: [WritesNumbers(max_epochs=2, random_state=0)],
    FusionTransformer: [
        FusionTransformer(max_epochs=2, random_state=0),
        FusionTransformer(
            objective="contrastive", modalities=_TWO, max_epochs=2, random_state=0
        ),
        FusionTransformer(objective="reconstruction", max_epochs=2, random_state=0),
    ],
    BlockPCAFusion: [
        BlockPCAFusion(),
        BlockPCAFusion(modalities=_TWO),
    ],
    CCAFusion: [CCAFusion(modalities=_TWO)],
    KernelFusion: [
        KernelFusion(random_state=0),
        KernelFusion(kernel="linear", modalities=_TWO, random_state=0),
    ],
    ModalityVotingClassifier: [ModalityVotingClassifier(random_state=0)],
    ModalityVotingRegressor: [ModalityVotingRegressor(random_state=0)],
    ModalityStackingClassifier: [ModalityStackingClassifier(random_state=0)],
    ModalityStackingRegressor: [ModalityStackingRegressor(random_state=0)],
    SimilarityNetworkFusion: [
        SimilarityNetworkFusion(2, modalities=_TWO, random_state=0)
    ],
    ModalitySampler: [
        ModalitySampler(RandomUnderSampler(random_state=0)),
        ModalitySampler(SMOTE(random_state=0)),
    ],
    FusionSearchCV: [FusionSearchCV(e, grid, **_SEARCH) for e, grid in _SEARCHED],
    FusionHalvingSearchCV: [
        FusionHalvingSearchCV(
            FusionClassifier(random_state=0),
            {"lr": [0.001, 0.01]},
            factor=2,
            max_resources=20,
            **_SEARCH,
        )
    ],
    FusionRandomizedSearchCV: [
        FusionRandomizedSearchCV(e, grid, n_iter=2, random_state=0, **_SEARCH)
        for e, grid in _SEARCHED
    ],
    ModalityAugmenter: [
        ModalityAugmenter(random_state=0),
        ModalityAugmenter(sampling_strategy="not majority", random_state=0),
    ],
}

_CONTROLS: dict[str, Any] = {"mixup": 0.5, "n_members": 4, "average": "ema"}
# Against imbalance and overfitting: the suite again, in the slow run.
CONTROLLED: list[BaseEstimator] = [
    FusionClassifier(
        loss="focal",
        batch_sampler="balanced",
        max_epochs=20,
        random_state=0,
        **_CONTROLS,
    ),
    FusionClassifier(
        loss="ldam",
        label_smoothing=0.1,
        average="swa",
        max_epochs=20,
        random_state=0,
    ),
    FusionClassifier(
        loss="logit_adjusted", max_grad_norm=1.0, max_epochs=20, random_state=0
    ),
    FusionClassifier(
        loss="class_balanced", class_weight="balanced", max_epochs=20, random_state=0
    ),
    FusionRegressor(
        loss="huber",
        target_weight="sqrt_inverse",
        max_epochs=20,
        random_state=0,
        **_CONTROLS,
    ),
    FusionTransformer(mixup=0.5, n_members=4, max_epochs=2, random_state=0),
]

_STOCHASTIC = (
    "dropout and the order of batches are drawn anew for another number of rows; "
    "scikit-learn expects the same of its own estimators that train in batches"
)
_OUT_OF_FOLD = (
    "fit_transform gives training rows a representation out of fold, as "
    "sklearn.preprocessing.TargetEncoder does: a net that has seen y gives it away"
)
_TWO_D = (
    "Ridge takes 2-D y and does not warn of it; scikit-learn expects the same of its "
    "own searches"
)
EXPECTED_FAILURES: dict[type, dict[str, str]] = {
    FusionSearchCV: {"check_supervised_y_2d": _TWO_D},
    FusionRandomizedSearchCV: {"check_supervised_y_2d": _TWO_D},
    FusionClassifier: {"check_sample_weight_equivalence_on_dense_data": _STOCHASTIC},
    FusionRegressor: {"check_sample_weight_equivalence_on_dense_data": _STOCHASTIC},
    FusionGenerator: {"check_sample_weight_equivalence_on_dense_data": _STOCHASTIC},
    FusionTransformer: {
        "check_sample_weight_equivalence_on_dense_data": _STOCHASTIC,
        "check_transformer_general": _OUT_OF_FOLD,
        "check_transformer_data_not_an_array": _OUT_OF_FOLD,
    },
    ModalityStackingRegressor: {
        "check_sample_weight_equivalence_on_dense_data": (
            "the default is RidgeCV, which leaves out one row at a time: where a row "
            "is repeated instead of weighted, its copies stay"
        )
    },
}
MOST_FAILURES = 3
_WHOLE_TRAINING = (
    "partial_fit is refused, as SGDClassifier(early_stopping=True) refuses it: an "
    "average of weights, late weights of classes and the density of y are of a whole "
    "training"
)
EXPECTED_OF_CONTROLS: dict[str, str] = dict.fromkeys(
    [
        "check_fit_score_takes_y",
        "check_n_features_in_after_fitting",
        "check_estimators_partial_fit_n_features",
    ],
    _WHOLE_TRAINING,
)

# Estimators to which scikit-learn applies few checks, because two_d_array=False.
_CELLS = (
    "takes one column of media cells, as CountVectorizer takes documents: the suite's "
    "matrices of numbers are no input. tests/encoders/test_column_encoders.py asks "
    "the suite's questions of columns of cells"
)
ONE_COLUMN: dict[type, str] = dict.fromkeys(
    [
        TextEncoder,
        ImageEncoder,
        AudioEncoder,
        VideoEncoder,
        SeriesEncoder,
        DialogueHistoryEncoder,
    ],
    _CELLS,
)

# Checks that scikit-learn has and leaves out of its suite.
BY_HAND = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
]
BY_HAND_TRANSFORMERS = [
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]
EXPECTED_FAILURES_BY_HAND: dict[type, dict[str, str]] = {
    ModalityTransformer: {
        "check_dataframe_column_names_consistency": (
            "puts reordered columns right by name, as ColumnTransformer does"
        ),
    },
}


def public_estimators() -> set[type]:
    """Every estimator that a folder of the package names in its `__all__`.

    Neural fusions and losses are specifications, not estimators: tests of their own
    cover them.
    """
    folders = [
        importlib.import_module(f"skmultimodal.{folder.name}")
        for folder in pkgutil.iter_modules(skmultimodal.__path__)
        if folder.ispkg
    ]
    public = [getattr(folder, name) for folder in folders for name in folder.__all__]
    return {
        thing
        for thing in public
        if isinstance(thing, type)
        and issubclass(thing, BaseEstimator)
        and not issubclass(thing, Specification)
    }


def stands_for(estimator: BaseEstimator) -> type:
    """The public class that an instance tests."""
    is_stand_in = isinstance(estimator, WritesNumbers)
    return FusionGenerator if is_stand_in else type(estimator)


def expected_failures(estimator: BaseEstimator) -> dict[str, str]:
    known = EXPECTED_FAILURES.get(stands_for(estimator), {})
    params = estimator.get_params()
    if isinstance(estimator, BaseSearchCV) and is_classifier(estimator):
        known = {}
    if params.get("objective", "supervised") != "supervised":
        known = {c: why for c, why in known.items() if why != _OUT_OF_FOLD}
    late = params.get("average") or params.get("target_weight")
    if late or params.get("loss") == "ldam":
        known = known | EXPECTED_OF_CONTROLS
    return known


# --- our checks, on mixed frames ------------------------------------------------------

N_ROWS = 48


def raw_frame(gaps: bool = True) -> pd.DataFrame:
    """A table with a cell of every kind in each row."""
    rng = np.random.default_rng(0)
    y = target()
    cells = np.empty(N_ROWS, dtype=object)
    photos = np.empty(N_ROWS, dtype=object)
    voices = np.empty(N_ROWS, dtype=object)
    clips = np.empty(N_ROWS, dtype=object)
    traces = np.empty(N_ROWS, dtype=object)
    for i in range(N_ROWS):
        pitch = 2 * np.pi * (300 + 500 * y[i]) * np.arange(400 + 10 * i) / 4000
        voices[i] = (4000, np.sin(pitch) + 0.1 * rng.normal(size=len(pitch)))
        clips[i] = rng.integers(0, 200, (3 + i % 2, 9, 8, 3), dtype=np.uint8)
        clips[i][1:] += np.uint8(50 * y[i])
        traces[i] = rng.normal(size=(20 + i % 3, 2)).cumsum(axis=0) * (1 + y[i])
        cells[i] = (rng.normal(size=4) + y[i]).round(3).tolist()
        photos[i] = rng.integers(0, 160, (8, 9, 3), dtype=np.uint8) + 90 * y[i]
        photos[i] = photos[i].astype(np.uint8)
    words = np.array(["red", "blue", "house", "boat", "large", "small", "old"])
    X = pd.DataFrame(
        {
            "age": rng.normal(size=N_ROWS) + y,
            "kind": pd.Categorical(rng.choice(["a", "b", "c"], N_ROWS)),
            "seen": pd.date_range("2024-01-01", periods=N_ROWS, freq="17h"),
            "note": [
                f"a {' '.join(rng.choice(words, 4))} {'good' if k else 'bad'} one"
                for k in y
            ],
            "photo": photos,
            "voice": voices,
            "clip": clips,
            "trace": traces,
            "vector": cells,
        },
        index=[f"row{i}" for i in range(N_ROWS)],
    )
    if gaps:  # no two gaps fall on the same row
        X.loc[X.index[0:6], "age"] = np.nan
        X.loc[X.index[2:4], ["kind", "seen"]] = None
        X.loc[X.index[6:10], "note"] = None
        X.loc[X.index[12:15], "photo"] = None
        X.loc[X.index[18:21], "vector"] = None
        X.loc[X.index[22:25], "voice"] = None
        X.loc[X.index[26:29], "trace"] = None
        X.loc[X.index[31:34], "clip"] = None
    return X


def encoded_frame(gaps: bool = True) -> pd.DataFrame:
    """Two vectors and a sequence."""
    rng = np.random.default_rng(1)
    y = target()
    text = rng.normal(size=(N_ROWS, 5)) + y[:, None]
    audio = rng.normal(size=(N_ROWS, 4, 2)) - y[:, None, None]
    tabular = rng.normal(size=(N_ROWS, 3))
    if gaps:
        text[0:6] = np.nan
        audio[6:12] = np.nan
        audio[12:18, 2:] = np.nan
        tabular[18:24] = np.nan
    blocks = {"text": text, "audio": audio, "tabular": tabular}
    return pack(blocks, index=[f"row{i}" for i in range(N_ROWS)])


def target() -> np.ndarray:
    """Two classes, one of them rare."""
    return np.random.default_rng(2).permutation(np.repeat([0, 1], [32, 16]))


@dataclass
class Case:
    """An estimator, what it is fitted on, and the columns of each modality in that."""

    estimator: Any
    X: pd.DataFrame
    modalities: dict[str, list[str]]
    reorders: bool = False  # puts reordered columns right, where others raise
    tolerance: float = 1e-5

    @property
    def y(self) -> np.ndarray:
        return target()


def _raw(estimator: Any, *modalities: str, **more: Any) -> Case:
    columns = {
        "tabular": ["age", "kind", "seen"],
        "note": ["note"],
        "photo": ["photo"],
        "voice": ["voice"],
        "clip": ["clip"],
        "trace": ["trace"],
        "vector": ["vector"],
    }
    columns = {name: columns[name] for name in modalities or columns}
    used = [c for group in columns.values() for c in group]
    return Case(estimator, raw_frame()[used], columns, **more)


def _encoded(estimator: Any, **more: Any) -> Case:
    X = encoded_frame()
    columns = {
        name: [c for c in X.columns if c.startswith(f"{name}__")]
        for name in ("text", "audio", "tabular")
    }
    return Case(estimator, X, columns, **more)


_ENTRIES = [
    ("tabular", TabularEncoder(), ["age", "kind", "seen"]),
    ("note", TextEncoder(n_components=3, random_state=0), "note"),
    ("photo", ImageEncoder(n_components=3, random_state=0), ["photo"]),
    ("voice", AudioEncoder(output="sequence", n_components=3, random_state=0), "voice"),
    ("clip", VideoEncoder(features="motion", n_components=3, random_state=0), "clip"),
    ("trace", SeriesEncoder(n_components=3, random_state=0), "trace"),
    ("vector", "passthrough", ["vector"]),
]

ENCODERS = {
    "TabularEncoder": _raw(TabularEncoder(random_state=0), "tabular"),
    "TextEncoder": _raw(TextEncoder(random_state=0), "note"),
    "TextEncoder reduced": _raw(TextEncoder(n_components=3, random_state=0), "note"),
    "ImageEncoder": _raw(ImageEncoder(), "photo"),
    "ImageEncoder reduced": _raw(ImageEncoder(n_components=3, random_state=0), "photo"),
    "AudioEncoder": _raw(AudioEncoder(), "voice"),
    "AudioEncoder sequence": _raw(AudioEncoder(output="sequence"), "voice"),
    "VideoEncoder": _raw(VideoEncoder(), "clip"),
    "VideoEncoder sequence": _raw(VideoEncoder(output="sequence", n_frames=3), "clip"),
    "SeriesEncoder": _raw(SeriesEncoder(), "trace"),
    "SeriesEncoder sequence": _raw(SeriesEncoder(output="sequence"), "trace"),
    "DialogueHistoryEncoder": _raw(DialogueHistoryEncoder(), "note"),
    "PrecomputedEncoder of cells": _raw(PrecomputedEncoder(), "vector"),
    "PrecomputedEncoder of columns": _encoded(PrecomputedEncoder()),
}


def _pipeline(task: str, **params: Any) -> Any:
    return multimodal_pipeline(task, modalities={"trace": "series"}, **params)


COMPOSITIONS = {
    "ModalityTransformer": _raw(ModalityTransformer(_ENTRIES), reorders=True),
    "ModalityTransformer auto": _raw(
        ModalityTransformer(modalities={"trace": "series"}), reorders=True
    ),
    "ModalitySelector": _encoded(ModalitySelector()),
    "multimodal_pipeline classifier": _raw(
        _pipeline("classifier", **_QUICK), reorders=True
    ),
    "multimodal_pipeline regressor": _raw(
        _pipeline("regressor", fusion="gated", **_QUICK), reorders=True
    ),
    "multimodal_pipeline sampler": _raw(
        _pipeline("classifier", sampler=SMOTE(random_state=0), **_QUICK),
        reorders=True,
    ),
    "multimodal_pipeline augmenter": _raw(
        _pipeline(
            "classifier",
            fusion="concat",
            augmenter=ModalityAugmenter(
                {"text": None, "image": None, "video": None, "trace": "series"}
            ),
            **_QUICK,
        ),
        reorders=True,
    ),
}
HEADS = {
    **{
        f"FusionClassifier {type(fusion).__name__}": _encoded(
            FusionClassifier(fusion, **_QUICK)
        )
        for fusion in (
            ConcatFusion(),
            GatedFusion(),
            BottleneckFusion(),
            CrossAttentionFusion(),
            AttentionPoolFusion(),
            FiLMFusion(),
            EmbraceFusion(),
            MMTMFusion(),
            ProgressiveFusion([("audio", "text"), "tabular"]),
            LatentFusion(),
            LowRankTensorFusion(),
            GraphFusion(),
        )
    },
    "FusionClassifier early stopping": _encoded(
        FusionClassifier(early_stopping=True, validation_fraction=0.3, **_QUICK)
    ),
    "FusionRegressor": _encoded(FusionRegressor(**_QUICK)),
    "FusionRegressor raw scale": _encoded(
        FusionRegressor("cross_attention", standardize=False, **_QUICK)
    ),
    "FusionGenerator": _encoded(WritesNumbers(**_QUICK)),
    "FusionGenerator counts": _encoded(
        WritesNumbers(
            count_prior=True, early_stopping=True, validation_fraction=0.3, **_QUICK
        )
    ),
    "FusionGenerator transformer": _encoded(
        WritesNumbers("bottleneck", decoder="transformer", **_QUICK)
    ),
    **{
        kind.__name__: _encoded(kind(random_state=0))
        for kind in (
            ModalityVotingClassifier,
            ModalityVotingRegressor,
            ModalityStackingClassifier,
            ModalityStackingRegressor,
        )
    },
}
SEARCHES = {
    "FusionSearchCV of a pipeline": _raw(
        FusionSearchCV(
            _pipeline("classifier", **_QUICK),
            {"head__fusion": ["concat", "gated"]},
            cv=2,
        ),
        reorders=True,
    ),
    "FusionHalvingSearchCV of a head": _encoded(
        FusionHalvingSearchCV(
            FusionClassifier(random_state=0),
            {"lr": [0.001, 0.01, 0.1]},
            max_resources=3,
            cv=2,
        )
    ),
    "FusionRandomizedSearchCV of a head": _encoded(
        FusionRandomizedSearchCV(
            FusionClassifier(**_QUICK),
            {"lr": [0.001, 0.01, 0.1]},
            n_iter=2,
            cv=2,
            random_state=0,
        )
    ),
}
REPRESENTATIONS = {
    "FusionTransformer": _encoded(FusionTransformer("bottleneck", **_QUICK)),
    "FusionTransformer contrastive": _encoded(
        FusionTransformer(objective="contrastive", output="per_modality", **_QUICK)
    ),
    "FusionTransformer reconstruction": _encoded(
        FusionTransformer("gated", objective="reconstruction", **_QUICK)
    ),
}
CLOSED_FORM = {
    "BlockPCAFusion": _encoded(BlockPCAFusion(n_components=2)),
    "CCAFusion": _encoded(CCAFusion()),
    "SimilarityNetworkFusion": _encoded(
        SimilarityNetworkFusion(3, n_neighbors=5, random_state=0)
    ),
    "KernelFusion": _encoded(KernelFusion(n_components=20, random_state=0)),
}
SAMPLERS = {
    "ModalitySampler copies raw rows": _raw(
        ModalitySampler(RandomUnderSampler(random_state=0))
    ),
    "ModalitySampler invents rows": _encoded(ModalitySampler(SMOTE(random_state=0))),
    "ModalitySampler drops": _encoded(
        ModalitySampler(SMOTE(random_state=0), missing="drop")
    ),
    "ModalityAugmenter of raw rows": _raw(ModalityAugmenter(random_state=0)),
}
PREDICTORS = {
    **ENCODERS,
    **COMPOSITIONS,
    **HEADS,
    **SEARCHES,
    **REPRESENTATIONS,
    **CLOSED_FORM,
}
CASES = {**PREDICTORS, **SAMPLERS}
