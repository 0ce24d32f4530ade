"""BlockPCAFusion and CCAFusion against NumPy, SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy.linalg import block_diag, eigh
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from skmultimodal import pack
from skmultimodal.fusion import BlockPCAFusion, CCAFusion

WIDTHS = {"text": 5, "audio": 4, "table": 3}


def blocks(n=300, shared=2, noise=1.0, seed=0):
    """Modalities that have `shared` hidden numbers in common."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, shared)) * [3, 1.5][:shared]
    return {
        m: (hidden @ rng.normal(size=(shared, p)) + noise * rng.normal(size=(n, p)))
        * rng.uniform(0.1, 10, size=p)
        for m, p in WIDTHS.items()
    }


def standardised(values):
    values = values.astype(np.float32).astype(float)
    return (values - values.mean(axis=0)) / values.std(axis=0)


def same_up_to_sign(found, expected, tolerance=1e-4):
    found, expected = np.asarray(found, dtype=float), np.asarray(expected)
    assert found.shape == expected.shape
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, rtol=0, atol=tolerance)


class TestBlockPCA:
    def test_a_block_is_scikit_learns_pca_over_its_first_singular_value(self):
        data = blocks()
        found = BlockPCAFusion(n_components=3).fit_transform(pack(data)).to_numpy()
        start = 0
        for values in data.values():
            scores = PCA(3).fit_transform(standardised(values))
            scores /= scores[:, 0].std()
            same_up_to_sign(found[:, start : start + 3], scores)
            start += 3
        assert found.shape[1] == start

    def test_joint_components_are_multiple_factor_analysis(self):
        """Row factor scores: the SVD of blocks divided by their singular values."""
        data = blocks()
        weighted = []
        for values in data.values():
            z = standardised(values) / np.sqrt(len(values))
            weighted.append(z / np.linalg.svd(z, compute_uv=False)[0])
        u, s, _ = np.linalg.svd(np.hstack(weighted), full_matrices=False)
        fusion = BlockPCAFusion(n_components=None, n_joint_components=4)
        found = fusion.fit_transform(pack(data))
        same_up_to_sign(found, (u * s)[:, :4] * np.sqrt(len(u)))
        # the first eigenvalue of three blocks lies between 1 and 3, by construction
        assert 1 <= s[0] ** 2 <= 3

    def test_no_modality_is_louder_by_its_width(self):
        rng = np.random.default_rng(0)
        hidden = rng.normal(size=(200, 1))
        X = pack({"wide": hidden + 0.1 * rng.normal(size=(200, 90)), "narrow": hidden})
        fused = BlockPCAFusion(n_components=1).fit_transform(X)
        np.testing.assert_allclose(fused.std(ddof=0), 1, atol=1e-5)

    def test_whitened_components_have_variance_one(self):
        fused = BlockPCAFusion(n_components=3, whiten=True).fit_transform(
            pack(blocks())
        )
        np.testing.assert_allclose(fused.std(ddof=0), 1, atol=1e-5)

    @pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 1.0])
    def test_a_share_of_the_variance_is_what_scikit_learn_takes(self, share):
        data = blocks()
        fusion = BlockPCAFusion(n_components=share).fit(pack(data))
        for name, values in data.items():
            pca = PCA(share if share < 1 else None).fit(standardised(values))
            assert fusion.n_components_[name] == pca.n_components_
            np.testing.assert_allclose(
                fusion.explained_variance_ratio_[name],
                pca.explained_variance_ratio_,
                atol=1e-6,
            )

    def test_more_columns_than_rows(self):
        rng = np.random.default_rng(0)
        data = {"wide": rng.normal(size=(20, 50)), "narrow": rng.normal(size=(20, 3))}
        fusion = BlockPCAFusion(n_components=None).fit(pack(data))
        assert fusion.n_components_ == {"wide": 19, "narrow": 3}
        scores = PCA(19).fit_transform(standardised(data["wide"]))
        found = fusion.transform(pack(data)).to_numpy()[:, :19]
        same_up_to_sign(found, scores / scores[:, 0].std())

    def test_an_absent_block_is_regressed_on_those_present(self):
        """With many rows the shrinkage is small: least squares gives the same."""
        data = blocks(n=4000)
        X = pack(data)
        fusion = BlockPCAFusion(n_components=2).fit(X)
        full = fusion.transform(X).to_numpy()  # text 0:2, audio 2:4, table 4:6
        X.loc[:99, [c for c in X if c.startswith("audio")]] = np.nan
        found = fusion.transform(X).to_numpy()
        there = [0, 1, 4, 5]
        np.testing.assert_allclose(found[:100, there], full[:100, there], atol=1e-6)
        np.testing.assert_allclose(found[100:], full[100:], atol=1e-6)
        line = LinearRegression().fit(full[:, there], full[:, 2:4])
        expected = line.predict(full[:100, there])
        np.testing.assert_allclose(found[:100, 2:4], expected, atol=0.02)

    def test_regression_beats_the_mean_also_when_half_of_all_is_absent(self):
        data = blocks(n=1000)
        X = pack(data)
        truth = BlockPCAFusion(n_components=2).fit(X)
        rng = np.random.default_rng(0)
        holes = X.copy()
        for name in data:
            lacking = rng.random(len(X)) < 0.5
            holes.loc[lacking, [c for c in X if c.startswith(name)]] = np.nan
        some = holes.notna().any(axis=1)
        gone = np.repeat(holes.isna().to_numpy()[:, [0, 5, 9]], 2, axis=1)
        gone &= some.to_numpy()[:, None]
        expected = truth.transform(X).to_numpy()[gone]
        errors = {}
        for missing in ("regress", "mean"):
            fusion = BlockPCAFusion(n_components=2, missing=missing).fit(holes)
            same = np.sign((fusion.transform(X) * truth.transform(X)).sum())
            found = fusion.transform(holes).to_numpy() * same.to_numpy()
            errors[missing] = ((found[gone] - expected) ** 2).mean()
        assert errors["regress"] < 0.6 * errors["mean"]

    def test_unrelated_blocks_are_not_guessed(self):
        """Nothing is known of the absent block, so it stays near its mean."""
        rng = np.random.default_rng(0)
        X = pack({m: rng.normal(size=(60, 20)) for m in "ab"})
        fusion = BlockPCAFusion(n_components=None).fit(X)
        X.loc[:, [c for c in X if c.startswith("b")]] = np.nan
        assert np.abs(fusion.transform(X).to_numpy()[:, 20:]).max() < 0.5

    def test_a_row_without_any_modality_is_the_mean(self):
        X = pack(blocks())
        fusion = BlockPCAFusion(2).fit(X)
        X.iloc[3] = np.nan
        np.testing.assert_array_equal(fusion.transform(X).iloc[3], 0)


class TestCCA:
    def test_two_blocks_are_scikit_learns_cca(self):
        data = blocks()
        pair = {m: data[m] for m in ("text", "audio")}
        reference = CCA(n_components=2, max_iter=5000, tol=1e-12)
        a, b = reference.fit_transform(*map(standardised, pair.values()))
        a, b = a / a.std(axis=0), b / b.std(axis=0)
        found = CCAFusion(2, regularization=0, output="concat").fit(pack(pair))
        fused = found.transform(pack(pair)).to_numpy()
        same_up_to_sign(fused, np.hstack([a, b]), 1e-3)
        correlations = (a * b).mean(axis=0)
        np.testing.assert_allclose(found.eigenvalues_ - 1, correlations, atol=1e-4)
        mean = CCAFusion(2, regularization=0).fit_transform(pack(pair))
        same_up_to_sign(mean, (a + b) / 2, 1e-3)

    @pytest.mark.parametrize(("tau", "k"), [(0.0, 3), (0.3, 3), (1.0, 3), (0.3, 7)])
    def test_three_blocks_are_a_generalised_eigenproblem(self, tau, k):
        data = blocks()
        z = [standardised(values) for values in data.values()]
        joined = np.hstack(z)
        within = block_diag(
            *[(1 - tau) * np.cov(a.T, ddof=0) + tau * np.eye(a.shape[1]) for a in z]
        )
        between = joined.T @ joined / len(joined)
        between -= block_diag(*[np.cov(a.T, ddof=0) for a in z])
        values, w = eigh(between + within, within)  # wᵀ within w = 1
        values, w = values[::-1][:k], w[:, ::-1][:, :k]
        scores = joined @ w
        fusion = CCAFusion(k, regularization=tau).fit(pack(data))
        np.testing.assert_allclose(fusion.eigenvalues_, values, atol=1e-5)
        # each block's part has length √(wᵀ D w); the shares add up to one
        ends = np.cumsum([a.shape[1] for a in z])[:-1]
        parts = zip(np.split(w, ends), np.split(within, ends))
        lengths = [
            np.sqrt(np.einsum("ik,ij,jk->k", p, d[:, d.any(axis=0)], p))
            for p, d in parts
        ]
        shares = np.array([*fusion.weights_.values()])
        np.testing.assert_allclose(shares, lengths / np.sum(lengths, axis=0), atol=1e-4)
        found = fusion.transform(pack(data)).to_numpy()
        same_up_to_sign(found, scores / np.sum(lengths, axis=0), 1e-3)

    def test_maxvar_the_components_are_those_of_summed_projections(self):
        """Kettenring's MAXVAR: eigenvectors of the sum of the blocks' projections."""
        data = blocks()
        projections = 0
        for values in data.values():
            u = np.linalg.svd(standardised(values), full_matrices=False)[0]
            projections = projections + u @ u.T
        values, g = np.linalg.eigh(projections)
        fusion = CCAFusion(2, regularization=0).fit(pack(data))
        np.testing.assert_allclose(fusion.eigenvalues_, values[::-1][:2], atol=1e-5)
        found = fusion.transform(pack(data)).to_numpy()
        found = found / np.linalg.norm(found, axis=0)
        same_up_to_sign(found, g[:, ::-1][:, :2], 1e-4)

    def test_auto_is_ledoit_and_wolfs_shrinkage(self):
        data = blocks(n=40)
        data["wide"] = np.random.default_rng(1).normal(size=(40, 60))
        fusion = CCAFusion(1).fit(pack(data))
        for name, values in data.items():
            expected = ledoit_wolf_shrinkage(standardised(values), assume_centered=True)
            assert fusion.regularization_[name] == pytest.approx(expected, abs=1e-6)

    def test_regularised_it_finds_what_is_shared_in_wide_blocks(self):
        """More columns than rows: classical CCA calls anything a correlation of 1."""
        rng = np.random.default_rng(0)
        hidden = rng.normal(size=(120, 1))
        X = pack(
            {m: 0.7 * hidden + rng.normal(size=(120, 100)) for m in ("text", "audio")}
        )
        fusion = CCAFusion(1).fit(X[:80])
        fused = fusion.transform(X[80:])["fused__0"]
        assert abs(np.corrcoef(fused, hidden[80:, 0])[0, 1]) > 0.95
        with pytest.warns(UserWarning, match=r"'text' \(100 columns, 80 rows\)"):
            classical = CCAFusion(1, regularization=0).fit(X[:80])
        np.testing.assert_allclose(classical.eigenvalues_, 2, atol=1e-4)

    def test_the_scale_of_columns_does_not_matter(self):
        data = blocks()
        louder = {m: values * 100 for m, values in data.items()}
        a = CCAFusion(2, regularization=0.1).fit_transform(pack(data))
        b = CCAFusion(2, regularization=0.1).fit_transform(pack(louder))
        same_up_to_sign(a, b, 1e-3)

    def test_one_block_of_two_gives_its_expected_mean(self):
        """E[(a + b) / 2 | a] = (1 + ρ) / 2 · a."""
        data = blocks(n=3000)
        X = pack({m: data[m] for m in ("text", "audio")})
        fusion = CCAFusion(1, regularization=0).fit(X)
        both = CCAFusion(1, regularization=0, output="concat").fit_transform(X)
        rho = fusion.eigenvalues_[0] - 1
        X[[c for c in X if c.startswith("audio")]] = np.nan
        expected = (1 + rho) / 2 * both[["fused__0"]].to_numpy()
        same_up_to_sign(fusion.transform(X), expected, 5e-3)

    def test_absent_blocks_in_fit_and_transform_cost_little(self):
        rng = np.random.default_rng(0)
        hidden = rng.normal(size=(900, 1))
        X = pack({m: hidden + rng.normal(size=(900, 4)) for m in ("a", "b", "c")})
        for name in "abc":
            lacking = rng.random(len(X)) < 0.4
            X.loc[lacking, [c for c in X if c.startswith(name)]] = np.nan
        some = X.notna().any(axis=1).to_numpy()
        fused = CCAFusion(1).fit(X[:600]).transform(X)["fused__0"].to_numpy()
        test = some & (np.arange(900) >= 600)
        assert abs(np.corrcoef(fused[test], hidden[test, 0])[0, 1]) > 0.85
        assert (fused[~some] == 0).all()

    def test_none_takes_all_that_can_be_shared(self):
        assert CCAFusion().fit(pack(blocks())).eigenvalues_.shape == (7,)

    @pytest.mark.parametrize(
        ("rows", "n_components", "words"),
        [(300, 8, "share at most 7"), (4, 7, "with 4 rows.*share at most 6")],
    )
    def test_more_components_than_can_be_shared(self, rows, n_components, words):
        X = pack(blocks())[:rows]
        with pytest.raises(ValueError, match=words):
            CCAFusion(n_components).fit(X)

    def test_no_row_with_two_modalities(self):
        X = pack(blocks(n=40))
        X.iloc[:20, :5] = np.nan
        X.iloc[20:, 5:] = np.nan
        X.iloc[:20, 9:] = np.nan
        X.iloc[:5, 5:9], X.iloc[:5, 9:] = np.nan, 1.0
        with pytest.raises(ValueError, match="No row has two of the modalities"):
            CCAFusion().fit(X)

    def test_a_constant_block_has_nothing_to_share(self):
        data = blocks() | {"table": np.ones((300, 3))}
        fusion = CCAFusion(2).fit(pack(data))
        assert np.isfinite(fusion.transform(pack(data)).to_numpy()).all()
        np.testing.assert_allclose(fusion.weights_["table"], 0, atol=1e-8)
