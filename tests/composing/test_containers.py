"""Frames of other libraries, ordinary steps in between, and pictures of it all."""

import numpy as np
import pytest
import sklearn
from imblearn.over_sampling import SMOTE
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skmultimodal import multimodal_pipeline
from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.fusion import (
    BottleneckFusion,
    GatedFusion,
)
from skmultimodal.heads import FusionClassifier

from ._models import ENTRIES, head, pipeline, share


class TestContainers:
    @pytest.mark.parametrize("container", ["pandas", "polars"])
    def test_set_output_of_the_encoders(self, vqa, container):
        plain = pipeline().fit(vqa.data, vqa.target)
        told = pipeline()
        told["encode"].set_output(transform=container)
        told.fit(vqa.data, vqa.target)
        Z = told[:-1].transform(vqa.data)
        assert type(Z).__module__.startswith(container)
        assert list(Z.columns) == list(plain[:-1].transform(vqa.data).columns)
        np.testing.assert_allclose(
            told.predict_proba(vqa.data), plain.predict_proba(vqa.data), atol=1e-6
        )
        # a head fitted on one frame predicts on the other
        found = plain["head"].predict_proba(Z)
        np.testing.assert_allclose(found, told.predict_proba(vqa.data), atol=1e-6)

    @pytest.mark.parametrize("container", ["pandas", "polars"])
    def test_set_output_for_everybody(self, vqa, container):
        plain = pipeline("gated").fit(vqa.data, vqa.target)
        with sklearn.config_context(transform_output=container):
            told = pipeline("gated").fit(vqa.data, vqa.target)
            Z = told[:-1].transform(vqa.data)
            assert type(Z).__module__.startswith(container)
            found = told.predict_proba(vqa.data)
        np.testing.assert_allclose(found, plain.predict_proba(vqa.data), atol=1e-6)

    def test_an_imputer_in_between_keeps_the_modalities(self, vqa):
        fill = SimpleImputer(keep_empty_features=True).set_output(transform="pandas")
        steps = [("encode", ModalityTransformer(ENTRIES)), ("fill", fill)]
        model = Pipeline([*steps, ("head", head("cross_attention"))])
        model.fit(vqa.data, vqa.target)
        assert model["head"]._inputs.layout.names == ["image", "question"]
        blind = vqa.data.assign(image=None)
        assert np.isfinite(model[:-1].transform(blind)).all(axis=None)
        # and with it, estimators that refuse NaN
        model = Pipeline([*steps, ("head", LogisticRegression(max_iter=500))])
        model.fit(vqa.data, vqa.target)
        assert model.score(vqa.data, vqa.target) > share(vqa.target)
        assert model.predict(blind.iloc[:3]).shape == (3,)

    def test_a_selector_in_between(self, vqa):
        model = Pipeline(
            [
                ("encode", ModalityTransformer(ENTRIES)),
                ("keep", ModalitySelector()),
                ("head", head()),
            ]
        )
        grid = {"keep__modalities": ["image", "question", None]}
        search = GridSearchCV(model, grid, cv=GroupKFold(2))
        search.fit(vqa.data, vqa.target, groups=vqa.groups)
        names = search.best_estimator_["head"]._inputs.layout.names
        assert names == search.best_estimator_["keep"].modalities_
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()

    def test_trees_take_the_encoded_frame_as_it_is(self, vqa):
        model = Pipeline(
            [
                ("encode", ModalityTransformer(ENTRIES)),
                ("trees", HistGradientBoostingClassifier(max_iter=5)),
            ]
        ).fit(vqa.data, vqa.target)
        assert model.score(vqa.data, vqa.target) > share(vqa.target)

    def test_a_scaler_in_between_keeps_names_and_gaps(self, encoded, vqa):
        model = Pipeline(
            [
                ("scale", StandardScaler().set_output(transform="pandas")),
                ("head", head("gated", standardize=False)),
            ]
        ).fit(encoded, vqa.target)
        assert model["head"]._inputs.layout.names == ["image", "question"]
        assert model.score(encoded, vqa.target) > share(vqa.target)


class TestPictures:
    def test_html_shows_every_part(self, vqa):
        model = pipeline(GatedFusion(), sampler=SMOTE())
        for picture in (model, model.fit(vqa.data, vqa.target)):
            html = picture._repr_html_()
            for part in (
                "ModalityTransformer",
                "ImageEncoder",
                "TextEncoder",
                "ModalitySampler",
                "SMOTE",
                "FusionClassifier",
                "GatedFusion",
            ):
                assert part in html

    def test_html_of_what_is_chosen_automatically(self, vqa):
        model = multimodal_pipeline("classifier", max_epochs=1)
        assert "ImageEncoder" not in model._repr_html_()
        model.fit(vqa.data, vqa.target)
        for part in ("ImageEncoder", "TextEncoder"):
            assert part in model._repr_html_()

    def test_repr_makes_the_same_estimator_again(self):
        model = head(BottleneckFusion(n_tokens=2), dropout=0.2)
        names = {"FusionClassifier": FusionClassifier}
        again = eval(repr(model), {**names, "BottleneckFusion": BottleneckFusion})
        assert again.get_params() == model.get_params()
