"""Grid, random and halving searches, scorers and the cache of a Pipeline."""

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)

from skmultimodal import multimodal_pipeline
from skmultimodal.encoders import TextEncoder
from skmultimodal.fusion import (
    BottleneckFusion,
    ConcatFusion,
    CrossAttentionFusion,
    GatedFusion,
)

from ._models import head, pipeline, share


class TestSearches:
    def test_grid_search_over_fusions_and_their_parameters(self, vqa):
        grids = [
            {"head__fusion": [ConcatFusion(), GatedFusion()], "head__lr": [1e-7, 2e-3]},
            {
                "head__fusion": [CrossAttentionFusion()],
                "head__fusion__n_heads": [1, 2],
            },
        ]
        search = GridSearchCV(
            pipeline(max_epochs=8),
            grids,
            cv=StratifiedGroupKFold(2),
            error_score="raise",
        ).fit(vqa.data, vqa.target, groups=vqa.groups)
        results = pd.DataFrame(search.cv_results_)
        assert len(results) == 6
        # a rate at which nothing is learned loses, so the parameters arrive
        assert search.best_params_.get("head__lr", 1) > 1e-7
        slow = results[results["param_head__lr"] == 1e-7]["mean_test_score"]
        assert search.best_score_ > max(slow.max(), share(vqa.target)) + 0.1
        heads = {p["head__fusion__n_heads"] for p in results["params"].iloc[4:]}
        assert heads == {1, 2}
        assert search.predict(vqa.data.iloc[:5]).shape == (5,)
        assert search.best_estimator_["head"].module_ is not None

    def test_nested_parameters_reach_the_net(self, vqa):
        search = GridSearchCV(
            pipeline(BottleneckFusion(), max_epochs=1),
            {"head__fusion__n_tokens": [3], "encode__question__n_components": [7]},
            cv=2,
        ).fit(vqa.data, vqa.target)
        best = search.best_estimator_
        shapes = [tuple(p.shape) for p in best["head"].module_.parameters()]
        assert any(3 in shape for shape in shapes)
        widths = {k: s.stop - s.start for k, s in best[0].output_indices_.items()}
        assert widths["question"] == 7
        # the search has left what it was given alone
        assert search.estimator["head"].fusion == BottleneckFusion()

    def test_randomized_search(self, encoded, vqa):
        def search():
            return RandomizedSearchCV(
                head(max_epochs=2),
                {
                    "lr": loguniform(1e-4, 1e-2),
                    "fusion": ["concat", "gated", BottleneckFusion(n_tokens=2)],
                    "dropout": [0.0, 0.3],
                },
                n_iter=4,
                cv=GroupKFold(2),
                random_state=0,
                error_score="raise",
            ).fit(encoded, vqa.target, groups=vqa.groups)

        one, two = search(), search()
        assert one.best_params_ == two.best_params_
        scores = [s.cv_results_["mean_test_score"] for s in (one, two)]
        np.testing.assert_array_equal(*scores)
        assert len(set(map(str, one.cv_results_["param_lr"]))) == 4

    @pytest.mark.parametrize("resource", ["max_epochs", "n_samples"])
    def test_halving_grid_search(self, encoded, vqa, resource):
        search = HalvingGridSearchCV(
            head("gated"),
            {"lr": [1e-6, 2e-3, 5e-3]},
            resource=resource,
            max_resources=9 if resource == "max_epochs" else "auto",
            min_resources=1 if resource == "max_epochs" else 60,
            factor=3,
            cv=StratifiedKFold(2, shuffle=True, random_state=0),
            random_state=0,
            error_score="raise",
        ).fit(encoded, vqa.target)
        assert search.n_candidates_[0] == 3
        assert search.n_candidates_[-1] < 3
        assert search.best_params_["lr"] > 1e-6
        if resource == "max_epochs":
            assert search.best_estimator_.n_iter_ == search.n_resources_[-1]

    def test_cross_validate_with_several_scorers(self, vqa):
        done = cross_validate(
            pipeline("gated", max_epochs=10),
            vqa.data,
            vqa.target,
            groups=vqa.groups,
            cv=StratifiedGroupKFold(3),
            scoring={
                "accuracy": "accuracy",
                "balanced": "balanced_accuracy",
                "loss": "neg_log_loss",
                "area": "roc_auc_ovr",
                "f1": make_scorer(f1_score, average="macro"),
            },
            return_train_score=True,
            return_estimator=True,
            error_score="raise",
        )
        assert (done["test_accuracy"] > share(vqa.target) + 0.05).all()
        assert (done["test_area"] > 0.7).all()
        assert (done["test_loss"] > -np.log(3)).all()
        for name in ("balanced", "f1"):
            assert np.isfinite(done[f"train_{name}"]).all()
        widths = [len(e[:-1].get_feature_names_out()) for e in done["estimator"]]
        assert widths == [32, 32, 32]

    def test_cross_val_predict(self, encoded, vqa):
        folds = GroupKFold(3)
        proba = cross_val_predict(
            head(), encoded, vqa.target, groups=vqa.groups, cv=folds,
            method="predict_proba",
        )  # fmt: skip
        assert proba.shape == (len(encoded), 3)
        np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
        train, test = next(folds.split(encoded, vqa.target, vqa.groups))
        alone = head().fit(encoded.iloc[train], vqa.target[train])
        found = alone.predict_proba(encoded.iloc[test])
        np.testing.assert_allclose(proba[test], found, atol=1e-6)


class CountingEncoder(TextEncoder):
    """Counts how often it is fitted, over all clones."""

    fits = 0

    def fit_transform(self, X, y=None):
        type(self).fits += 1
        return super().fit_transform(X, y)


class TestMemory:
    @pytest.mark.parametrize(("cached", "fits"), [(True, 3), (False, 7)])
    def test_encoders_are_fitted_once_a_fold(self, vqa, tmp_path, cached, fits):
        encode = CountingEncoder(n_components=4, random_state=0)
        model = multimodal_pipeline(
            "classifier",
            fusion="concat",
            modalities=[("question", encode, "question")],
            memory=str(tmp_path) if cached else None,
            max_epochs=1,
            random_state=0,
        )
        CountingEncoder.fits = 0
        grid = {"head__lr": [1e-3, 2e-3, 3e-3]}
        search = GridSearchCV(model, grid, cv=2).fit(vqa.data, vqa.target)
        assert CountingEncoder.fits == fits
        CountingEncoder.fits = 0
        model.set_params(head__embed_dim=32, head__fusion="gated")
        model.fit(vqa.data, vqa.target)
        assert CountingEncoder.fits == (0 if cached else 1)
        # what came out of the cache is what would have been fitted
        model.set_params(memory=None, **search.best_params_)
        model.set_params(head__embed_dim=64, head__fusion=ConcatFusion())
        expected = model.fit(vqa.data, vqa.target).predict_proba(vqa.data)
        np.testing.assert_allclose(search.predict_proba(vqa.data), expected, atol=1e-6)

    def test_another_parameter_of_an_encoder_is_another_fit(self, vqa, tmp_path):
        encode = CountingEncoder(n_components=4, random_state=0)
        model = multimodal_pipeline(
            "classifier",
            modalities=[("question", encode, "question")],
            memory=str(tmp_path),
            max_epochs=1,
        )
        CountingEncoder.fits = 0
        for n_components in (4, 5, 4):
            model.set_params(encode__question__n_components=n_components)
            model.fit(vqa.data, vqa.target)
        assert CountingEncoder.fits == 2

    def test_samplers_behind_the_cache(self, vqa, tmp_path):
        model = pipeline(
            sampler=RandomOverSampler(random_state=0), memory=str(tmp_path)
        )
        first = model.fit(vqa.data, vqa.target).predict_proba(vqa.data)
        again = clone(model).fit(vqa.data, vqa.target).predict_proba(vqa.data)
        np.testing.assert_array_equal(first, again)
