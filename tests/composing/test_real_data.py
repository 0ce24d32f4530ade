"""Views that others have extracted, and a table with text."""

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    cross_validate,
)

from skmultimodal import multimodal_pipeline
from skmultimodal.encoders import TextEncoder
from skmultimodal.fusion import (
    ConcatFusion,
    GatedFusion,
)


class TestRealData:
    """Views that others have extracted, and a table with text."""

    def test_views_as_blocks_of_columns(self, real_data):
        data = real_data("mfeat")
        train = np.flatnonzero(data["split"] == "train")[::4]
        test = data["split"] == "test"
        views = {
            name: pd.DataFrame(view).add_prefix(f"{name}__")
            for name, view in data["modalities"].items()
        }
        X = pd.concat(views.values(), axis=1)
        model = multimodal_pipeline("classifier", max_epochs=10, random_state=0)
        search = GridSearchCV(
            model, {"head__fusion": [ConcatFusion(), GatedFusion()]}, cv=2
        ).fit(X.iloc[train], data["y"][train])
        assert set(search.best_estimator_[0].modalities_) == set(views)
        assert search.score(X[test], data["y"][test]) > 0.93

    def test_a_table_with_text_and_rare_classes(self, real_data):
        data = real_data("petfinder")
        rows = np.flatnonzero(data["split"] == "train")[:1200]
        X = data["modalities"]["tabular"].iloc[rows].copy()
        X["text"] = [data["modalities"]["text"][i] for i in rows]
        y = data["y"][rows]
        model = multimodal_pipeline(
            "classifier",
            fusion="concat",
            modalities={"text": TextEncoder(n_components=16, random_state=0)},
            sampler=SMOTE(random_state=0),
            max_epochs=5,
            random_state=0,
        )
        done = cross_validate(
            model,
            X,
            y,
            cv=StratifiedGroupKFold(2),
            groups=data["groups"][rows],
            scoring=["balanced_accuracy", "f1_macro"],
            error_score="raise",
        )
        assert (done["test_balanced_accuracy"] > 1 / len(np.unique(y)) + 0.02).all()
