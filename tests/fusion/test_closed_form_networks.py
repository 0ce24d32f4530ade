"""KernelFusion and SimilarityNetworkFusion against plain NumPy and SciPy."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import Ridge
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.pairwise import laplacian_kernel, linear_kernel, rbf_kernel

from skmultimodal import pack
from skmultimodal.fusion import KernelFusion, SimilarityNetworkFusion

NAMES = ("text", "audio", "table")


def standardised(values):
    values = values.astype(np.float32).astype(float)
    return (values - values.mean(axis=0)) / values.std(axis=0)


def signal_and_noise(n=80, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    strength = {"text": 1.0, "audio": 0.5, "table": 0.0}
    data = {m: s * y[:, None] + rng.normal(size=(n, 4)) for m, s in strength.items()}
    return data, y


def median_gamma(z):
    """One over the median squared distance between different rows."""
    distances = ((z[:, None] - z[None]) ** 2).sum(axis=2)
    return 1 / np.median(distances[np.triu_indices(len(z), 1)])


def centred(kernel):
    h = np.eye(len(kernel)) - 1 / len(kernel)
    return h @ kernel @ h


def best_alignment(kernels, target):
    """Weights that maximise the centred alignment, by a general optimiser."""

    def negative(mu):
        k = sum(m * kernel for m, kernel in zip(mu, kernels))
        return -np.sum(k * target) / (np.linalg.norm(k) * np.linalg.norm(target))

    kernels = [centred(k) for k in kernels]
    start = np.full(len(kernels), 1 / len(kernels))
    found = minimize(
        negative,
        start,
        method="SLSQP",
        bounds=[(0, 1)] * len(kernels),
        constraints={"type": "eq", "fun": lambda mu: mu.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return found.x


class TestKernel:
    @pytest.mark.parametrize("kernel", ["rbf", "laplacian", "linear"])
    def test_with_all_rows_as_landmarks_the_features_are_the_kernel(self, kernel):
        data, _ = signal_and_noise()
        z = {m: standardised(v) for m, v in data.items()}
        kernels = {
            "rbf": lambda a: rbf_kernel(a, gamma=0.2),
            "laplacian": lambda a: laplacian_kernel(a, gamma=0.2),
            "linear": lambda a: linear_kernel(a) / (a**2).sum(axis=1).mean(),
        }[kernel]
        mu = {"text": 0.5, "audio": 0.3, "table": 0.2}
        expected = sum(mu[m] * kernels(z[m]) for m in NAMES)
        fusion = KernelFusion(80, kernel=kernel, gamma=0.2, weights=mu, random_state=0)
        h = fusion.fit_transform(pack(data)).to_numpy(dtype=float)
        np.testing.assert_allclose(h @ h.T, expected, atol=1e-5)
        assert h.shape[1] == (12 if kernel == "linear" else 80)

    def test_one_kernel_a_modality_and_the_median_heuristic(self):
        data, _ = signal_and_noise()
        kernel = {"text": "rbf", "audio": "cosine", "table": "linear"}
        fusion = KernelFusion(80, kernel=kernel, weights="uniform", random_state=0)
        h = fusion.fit_transform(pack(data)).to_numpy(dtype=float)
        text, audio, table = (standardised(v) for v in data.values())
        assert fusion.gamma_ == {"text": pytest.approx(median_gamma(text), rel=1e-6)}
        audio = audio / np.linalg.norm(audio, axis=1, keepdims=True)
        expected = rbf_kernel(text, gamma=median_gamma(text)) + audio @ audio.T
        expected += table @ table.T / 4
        np.testing.assert_allclose(h @ h.T, expected / 3, atol=1e-5)

    def test_fewer_landmarks_are_nystroms_approximation(self):
        """K_xl K_ll⁻¹ K_lx of some rows l: exact on them, from below elsewhere."""
        data, _ = signal_and_noise()
        fusion = KernelFusion(30, weights="uniform", gamma=0.2, random_state=0)
        h = fusion.fit_transform(pack(data)).to_numpy(dtype=float)
        exact = sum(rbf_kernel(standardised(v), gamma=0.2) for v in data.values()) / 3
        lengths = (h**2).sum(axis=1)
        landmarks = np.flatnonzero(np.abs(lengths - 1) < 1e-5)
        assert len(landmarks) == 30
        k_xl, k_ll = exact[:, landmarks], exact[np.ix_(landmarks, landmarks)]
        expected = k_xl @ np.linalg.solve(k_ll, k_xl.T)
        np.testing.assert_allclose(h @ h.T, expected, atol=1e-4)
        assert (lengths < 1 + 1e-5).all()

    @pytest.mark.parametrize("kind", ["classes", "names", "numbers", "several"])
    def test_weights_maximise_the_alignment_with_the_target(self, kind):
        data, y = signal_and_noise()
        rng = np.random.default_rng(5)
        numbers = y + 0.5 * rng.normal(size=len(y))
        indicators = (y[:, None] == [0, 1, 2]).astype(float)
        given, columns = {
            "classes": (y, indicators),
            "names": (np.array(["low", "mid", "top"])[y], indicators),
            "numbers": (numbers, numbers[:, None]),
            "several": (np.c_[numbers, 9 * numbers**2], None),
        }[kind]
        if columns is None:
            columns = (given - given.mean(axis=0)) / given.std(axis=0)
        columns = columns - columns.mean(axis=0)
        kernels = [
            rbf_kernel(z, gamma=median_gamma(z))
            for z in map(standardised, data.values())
        ]
        expected = best_alignment(kernels, columns @ columns.T)
        fusion = KernelFusion(random_state=0).fit(pack(data), given)
        np.testing.assert_allclose([*fusion.weights_.values()], expected, atol=2e-3)
        assert fusion.weights_["text"] > fusion.weights_["audio"]

    def test_a_kernel_that_only_hurts_gets_no_weight(self):
        """Here the unconstrained optimum is negative: the bound is met exactly."""
        data, y = signal_and_noise(seed=1)
        text = standardised(data["text"])
        data["table"] = text[:, :1] - 0.9 * (y - 1)[:, None]  # what is not the target
        kernels = [linear_kernel(z) for z in map(standardised, data.values())]
        columns = centred(np.eye(80)) @ y[:, None]
        inside = [centred(k) for k in kernels]
        gram = [[np.sum(a * b) for b in inside] for a in inside]
        free = np.linalg.solve(
            gram, [np.sum(a * (columns @ columns.T)) for a in inside]
        )
        assert free[2] < 0
        expected = best_alignment(
            [k / np.trace(k) for k in kernels], columns @ columns.T
        )
        fusion = KernelFusion(kernel="linear", target_type="continuous", random_state=0)
        fusion.fit(pack(data), y)
        found = np.array([*fusion.weights_.values()])
        np.testing.assert_allclose(found, expected, atol=2e-3)
        assert (found >= 0).all()
        assert found[2] < 1e-3

    def test_whole_numbers_are_classes_unless_said_otherwise(self):
        data, _ = signal_and_noise()
        rng = np.random.default_rng(0)
        y = np.round(10 * data["audio"][:, 0] + 30 * rng.normal(size=80))
        X = pack(data)
        auto = KernelFusion(random_state=0).fit(X, y).weights_
        as_numbers = KernelFusion(target_type="continuous", random_state=0).fit(X, y)
        just_off = KernelFusion(random_state=0).fit(X, y + 0.25).weights_
        assert as_numbers.weights_ == pytest.approx(just_off)
        assert auto != pytest.approx(just_off, abs=1e-2)

    def test_without_a_target_all_weigh_the_same(self):
        data, y = signal_and_noise()
        for fusion in (
            KernelFusion().fit(pack(data)),
            KernelFusion(weights="uniform").fit(pack(data), y),
            KernelFusion().fit(pack(data), np.zeros(80, dtype=int)),
        ):
            assert [*fusion.weights_.values()] == pytest.approx([1 / 3] * 3)

    def test_absent_modalities_leave_the_rest_rescaled(self):
        data, _ = signal_and_noise()
        X = pack(data)
        mu = {"text": 0.5, "audio": 0.3, "table": 0.2}
        fusion = KernelFusion(80, gamma=0.2, weights=mu, random_state=0)
        fusion.fit(X)
        X.iloc[0, :4] = np.nan  # no text
        X.iloc[1, 4:] = np.nan  # text alone
        X.iloc[2] = np.nan
        h = fusion.transform(X).to_numpy(dtype=float)
        k = {m: rbf_kernel(standardised(v), gamma=0.2) for m, v in data.items()}
        both = 0.3 * k["audio"] + 0.2 * k["table"]
        full = both + 0.5 * k["text"]
        np.testing.assert_allclose(
            h[0] @ h[3:].T, both[0, 3:] / math.sqrt(0.5), atol=1e-4
        )
        np.testing.assert_allclose(
            h[1] @ h[3:].T, 0.5 * k["text"][1, 3:] / math.sqrt(0.5), atol=1e-4
        )
        np.testing.assert_array_equal(h[2], 0)
        np.testing.assert_allclose(h[3:] @ h[3:].T, full[3:, 3:], atol=1e-5)

    def test_absent_modalities_in_fit(self):
        """Each row has length 1 in the kernel's space, whatever it lacks."""
        data, y = signal_and_noise(n=120)
        X = pack(data)
        rng = np.random.default_rng(0)
        for k in range(3):
            X.iloc[rng.random(120) < 0.4, 4 * k : 4 * k + 4] = np.nan
        some = X.notna().any(axis=1)
        fusion = KernelFusion(120, random_state=0).fit(X, y)
        lengths = (fusion.transform(X).astype(float) ** 2).sum(axis=1)
        np.testing.assert_allclose(lengths, some, atol=1e-4)
        assert fusion.weights_["text"] > fusion.weights_["table"]

    def test_a_linear_model_behind_it_is_kernel_ridge(self):
        data, y = signal_and_noise()
        fusion = KernelFusion(80, gamma=0.3, weights="uniform", random_state=0)
        h = fusion.fit_transform(pack(data))
        found = Ridge(alpha=0.1, fit_intercept=False).fit(h, y).predict(h)
        k = sum(rbf_kernel(standardised(v), gamma=0.3) for v in data.values()) / 3
        expected = k @ np.linalg.solve(k + 0.1 * np.eye(80), y)
        np.testing.assert_allclose(found, expected, atol=1e-3)

    @pytest.mark.parametrize(
        ("parameters", "words"),
        [
            ({"kernel": {"text": "rbf"}}, "no kernel of 'audio'"),
            ({"kernel": dict.fromkeys(NAMES, "sigmoid")}, "'sigmoid'"),
            ({"weights": {"pictures": 1}}, "'pictures', which X does not have"),
            ({"weights": {"text": -1, "audio": 2}}, "not negative"),
            ({"weights": {"text": 0}}, "positive for at least one"),
        ],
    )
    def test_wrong_kernels_and_weights(self, parameters, words):
        data, y = signal_and_noise()
        with pytest.raises(ValueError, match=words):
            KernelFusion(**parameters).fit(pack(data), y)

    def test_wrong_targets(self):
        data, y = signal_and_noise()
        X = pack(data)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            KernelFusion().fit(X, y[:-1])
        with pytest.raises(ValueError, match="needs numbers in y"):
            KernelFusion(target_type="continuous").fit(
                X, np.array(list("abcd")[:4] * 20)
            )
        with pytest.raises(ValueError, match="y contains NaN"):
            KernelFusion().fit(X, np.where(y == 0, np.nan, y))


def groups(n=60, noise=1.0, seed=0):
    """Three groups of rows; each modality tells one of them from the other two."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 3
    data = {
        m: 3.0 * (group == k)[:, None] + noise * rng.normal(size=(n, 3))
        for k, m in enumerate(NAMES)
    }
    return data, group


def network_by_loops(data, n_neighbors, n_iter, mu):
    """Similarity network fusion as the paper writes it, one number at a time."""
    z = [standardised(v) for v in data]
    n, many = len(z[0]), len(z)
    p, s = [], []

    def symmetric(w):
        out = [[0.0] * n for _ in range(n)]
        for i in range(n):
            others = sum(w[i][j] for j in range(n) if j != i)
            for j in range(n):
                out[i][j] = 0.5 if i == j else w[i][j] / (2 * others)
        return [[(out[i][j] + out[j][i]) / 2 for j in range(n)] for i in range(n)]

    for x in z:
        d = [[math.dist(x[i], x[j]) for j in range(n)] for i in range(n)]
        near = [sum(sorted(d[i])[1 : n_neighbors + 1]) / n_neighbors for i in range(n)]
        w = [[0.0] * n for _ in range(n)]
        for i in range(n):
            for j in range(n):
                width = mu * (near[i] + near[j] + d[i][j]) / 3
                w[i][j] = math.exp(-((d[i][j] / width) ** 2) / 2) / width
        p.append(symmetric(w))
        kept = []
        for i in range(n):
            inside = sorted(range(n), key=lambda j: -p[-1][i][j])[:n_neighbors]
            total = sum(p[-1][i][j] for j in inside)
            kept.append([p[-1][i][j] / total if j in inside else 0 for j in range(n)])
        s.append(np.array(kept))
    for _ in range(n_iter):
        others = [
            sum(np.array(p[k]) for k in range(many) if k != m) / (many - 1)
            for m in range(many)
        ]
        p = [symmetric((s[m] @ others[m] @ s[m].T).tolist()) for m in range(many)]
    fused = symmetric((sum(np.array(a) for a in p) / many).tolist())
    return np.array(fused)


class TestSimilarityNetwork:
    @pytest.mark.parametrize("n_modalities", [2, 3])
    def test_a_worked_case(self, n_modalities):
        data, _ = groups(n=24)
        data = {m: data[m] for m in NAMES[:n_modalities]}
        w = network_by_loops(data.values(), n_neighbors=5, n_iter=4, mu=0.5)
        degree = w.sum(axis=1)
        # right eigenvectors of the random walk; the first is constant
        values, vectors = np.linalg.eig(w / degree[:, None])
        order = np.argsort(-values.real)[1:4]
        expected = vectors.real[:, order]
        expected /= np.sqrt((degree[:, None] * expected**2).sum(axis=0) / degree.sum())
        fusion = SimilarityNetworkFusion(3, n_neighbors=5, n_iter=4).fit(pack(data))
        np.testing.assert_allclose(fusion.eigenvalues_, values.real[order], atol=1e-6)
        signs = np.sign((fusion.embedding_ * expected).sum(axis=0))
        np.testing.assert_allclose(fusion.embedding_ * signs, expected, atol=1e-4)

    def test_a_row_of_the_network_gets_its_own_place_back(self):
        data, _ = groups()
        fusion = SimilarityNetworkFusion(3)
        fused = fusion.fit_transform(pack(data))
        np.testing.assert_allclose(fused, fusion.embedding_, atol=1e-4)

    def test_it_finds_groups_that_no_modality_alone_tells_apart(self):
        data, group = groups(n=150, noise=1.2)
        fused = SimilarityNetworkFusion(2).fit_transform(pack(data)).to_numpy()
        centers = np.stack([fused[group == g].mean(axis=0) for g in range(3)])
        nearest = ((fused[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        assert adjusted_rand_score(group, nearest) > 0.9

    def test_new_rows_are_placed_among_their_neighbours(self):
        data, group = groups(n=300)
        X = pack(data)
        fusion = SimilarityNetworkFusion(2).fit(X[:150])
        seen, new = fusion.transform(X[:150]), fusion.transform(X[150:])
        centers = np.stack([seen[group[:150] == g].mean(axis=0) for g in range(3)])
        nearest = ((new.to_numpy()[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        assert (nearest == group[150:]).mean() > 0.95

    def test_a_new_row_is_the_weighted_mean_of_its_neighbours(self):
        data, _ = groups(n=40)
        X = pack(data)
        fusion = SimilarityNetworkFusion(2, n_neighbors=4).fit(X[:39])
        values = [v.astype(np.float32).astype(float) for v in data.values()]
        z = [(v - v[:39].mean(axis=0)) / v[:39].std(axis=0) for v in values]
        for lacking in (None, 1):
            new = X[39:].copy()
            if lacking == 1:
                new.iloc[:, 3:6] = np.nan
            there = [a for k, a in enumerate(z) if k != lacking]
            distance = np.sqrt(
                np.mean(
                    [((a[:39] - a[39]) ** 2).sum(axis=1) / 3 for a in there], axis=0
                )
            )
            nearest = np.argsort(distance)[:4]
            expected = np.average(
                fusion.embedding_[nearest], axis=0, weights=1 / distance[nearest]
            )
            np.testing.assert_allclose(
                fusion.transform(new).iloc[0], expected, atol=1e-5
            )

    def test_absent_modalities_in_fit_and_transform(self):
        data, group = groups(n=240, noise=0.7)
        X = pack(data)
        rng = np.random.default_rng(0)
        for k in range(3):
            X.iloc[rng.random(240) < 0.25, 3 * k : 3 * k + 3] = np.nan
        some = X.notna().any(axis=1).to_numpy()
        fusion = SimilarityNetworkFusion(2).fit(X[:160])
        fused = fusion.transform(X).to_numpy()
        assert (fused[~some] == 0).all()
        assert some.sum() < 240
        train = some & (np.arange(240) < 160)
        centers = np.stack(
            [np.median(fused[train & (group == g)], axis=0) for g in range(3)]
        )
        nearest = ((fused[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        assert (nearest == group)[some & ~train].mean() > 0.75

    def test_of_many_rows_some_are_drawn(self):
        data, group = groups(n=300)
        fusion = SimilarityNetworkFusion(2, subsample=90, random_state=0)
        fused = fusion.fit_transform(pack(data)).to_numpy()
        assert fusion.embedding_.shape == (90, 2)
        centers = np.stack([fused[group == g].mean(axis=0) for g in range(3)])
        nearest = ((fused[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        assert (nearest == group).mean() > 0.95

    def test_fewer_rows_than_components(self):
        data, _ = groups(n=9)
        with pytest.raises(ValueError, match="its network has 9 rows"):
            SimilarityNetworkFusion().fit(pack(data))
