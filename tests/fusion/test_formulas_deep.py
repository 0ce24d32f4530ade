"""Trees, latent arrays, tensors and graphs of modalities against NumPy, row by row."""

import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skmultimodal import pack
from skmultimodal.fusion import (
    GraphFusion,
    LatentFusion,
    LowRankTensorFusion,
    ProgressiveFusion,
)
from skmultimodal.heads import FusionClassifier

from ._formulas import (
    STEPS,
    D,
    attend,
    build,
    check,
    feed_forward,
    fused,
    gelu,
    linear,
    norm,
    numbers,
    pool,
    sample,
)


def fresh(spec, steps=STEPS, d=D):
    """The module as a fit starts with it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return spec.build(steps, d, 0.0).eval()


def count(spec, n_modalities, d=64):
    module = spec.build({f"m{k}": 1 for k in range(n_modalities)}, d, 0.0)
    return sum(p.numel() for p in module.parameters())


# --- trees ----------------------------------------------------------------------------

TREES = [
    None,
    ["audio", "text", "image"],
    [("image", "audio"), "text"],
    ("audio", ["text", ("image",)]),
]


def binary(tree):
    """The same tree with two children at every join."""
    if isinstance(tree, str):
        return tree
    made, *others = (binary(part) for part in tree)
    for other in others:
        made = (made, other)
    return made


@pytest.mark.parametrize("hierarchy", TREES)
def test_progressive(hierarchy):
    module = build(ProgressiveFusion(hierarchy))
    tree = binary(hierarchy or list(STEPS))

    def formula(z, here):
        joins = iter(module.joins)  # children first, from left to right

        def value(node):
            """The value of a node, and how many present modalities are below it."""
            if isinstance(node, str):
                return pool(z[node], here[node]), int(here[node].any())
            (a, n_a), (b, n_b) = value(node[0]), value(node[1])
            join = next(joins)
            left, right = linear(join.left, a), linear(join.right, b)
            if n_a and n_b:
                both = norm(join.norm, np.concatenate([a, b]))
                inner = gelu(linear(join.mlp.hidden[0], both))
                made = math.sqrt(n_a / (n_a + n_b)) * left
                made = made + math.sqrt(n_b / (n_a + n_b)) * right
                return made + linear(join.mlp.output, inner), n_a + n_b
            if n_a or n_b:
                return (left if n_a else right), n_a + n_b
            return math.sqrt(0.5) * (left + right), 0

        return value(tree)[0]

    check(module, formula)


def test_every_modality_of_a_deep_tree_starts_alike():
    """One that enters first passes seven joins, the last one passes one."""
    steps = {f"m{k}": 1 for k in range(8)}
    module = fresh(ProgressiveFusion(), steps, d=32)
    rng = np.random.default_rng(0)
    z = {m: rng.normal(size=(200, 1, 32)) for m in steps}
    here = {m: np.ones((200, 1), dtype=bool) for m in steps}
    whole = fused(module, z, here)
    assert 0.5 < whole.std() < 2
    moved = [
        np.abs(fused(module, {**z, m: z[m] + 0.1}, here) - whole).mean() for m in steps
    ]
    assert max(moved) < 4 * min(moved)


class TestHierarchy:
    @pytest.mark.parametrize(
        ("hierarchy", "error", "message"),
        [
            (["text", "video"], ValueError, r"names 'video', which is no modality of"),
            ([("text", "audio"), "image", "text"], ValueError, r"'text' 2 times"),
            (["text", "image"], ValueError, r"leaves out \['audio'\]"),
            (["text", (), "image", "audio"], ValueError, r"empty group"),
            ([], ValueError, r"empty group"),
            (["text", 3, "image"], TypeError, r"holds 3\. Expected names"),
            ([{"text", "image"}, "audio"], TypeError, r"Expected names"),
        ],
    )
    def test_a_tree_that_does_not_fit(self, hierarchy, error, message):
        with pytest.raises(error, match=message):
            ProgressiveFusion(hierarchy).build(STEPS, D, 0.0)

    def test_the_head_names_what_x_has(self):
        X, y = two_pairs(20)
        with pytest.raises(ValueError, match=r"'up', .*X has \['a', 'b', 'c', 'd'\]"):
            head(ProgressiveFusion([("a", "up"), "b", "c", "d"])).fit(X, y)

    @pytest.mark.parametrize("hierarchy", [["text"], [[["text"]]], None])
    def test_one_modality_is_projected(self, hierarchy):
        steps = {"text": 3}
        module = build(ProgressiveFusion(hierarchy), steps)
        z, here = sample()
        z, here = {"text": z["image"]}, {"text": here["image"]}
        rows = [pool(a, b) for a, b in zip(z["text"], here["text"])]
        expected = linear(module.project, np.array(rows))
        np.testing.assert_allclose(fused(module, z, here), expected, rtol=1e-4)

    def test_a_tree_is_a_value(self):
        spec = ProgressiveFusion([("a", "b"), ["c", "d"]])
        same = clone(spec)
        assert same == spec
        assert hash(same) == hash(spec)
        assert same.hierarchy is not spec.hierarchy
        assert spec != ProgressiveFusion([("a", "c"), ["b", "d"]])
        assert spec.get_params() == {"hierarchy": [("a", "b"), ["c", "d"]]}
        assert "('a', 'b')" in repr(spec)

    def test_the_users_tree_stays_as_it_is(self):
        tree = [["a", "b"], ["c", "d"]]
        X, y = two_pairs(40)
        fitted = head(ProgressiveFusion(tree), max_epochs=1).fit(X, y)
        assert tree == [["a", "b"], ["c", "d"]]
        tree[0].append("e")
        fitted.predict(X)

    def test_trees_are_searched(self):
        X, y = two_pairs(60)
        trees = [None, [("a", "b"), ("c", "d")], [("a", ("c", "d")), "b"]]
        search = GridSearchCV(
            head(ProgressiveFusion(), max_epochs=1),
            {"fusion__hierarchy": trees},
            cv=2,
            error_score="raise",
        ).fit(X, y)
        assert search.best_params_["fusion__hierarchy"] in trees
        assert len(search.cv_results_["params"]) == 3


def two_pairs(n, seed=0):
    """Whether the signs of a and b agree, where c and d are noise."""
    rng = np.random.default_rng(seed)
    blocks = {m: rng.normal(size=(n, 1)) for m in "abcd"}
    return pack(blocks), (blocks["a"] * blocks["b"] > 0).ravel().astype(int)


def head(fusion, **kwargs):
    params = {"embed_dim": 16, "hidden_layer_sizes": (), "lr": 1e-2, "dropout": 0.0}
    params |= {"max_epochs": 30, "batch_size": 32, "random_state": 0, "device": "cpu"}
    return FusionClassifier(fusion, **(params | kwargs))


def test_a_missing_branch_is_passed_by():
    """With c and d gone, a and b alone decide, and the join of c and d says nothing."""
    module = build(
        ProgressiveFusion([("a", "b"), ("c", "d")]), dict.fromkeys("abcd", 1)
    )
    rng = np.random.default_rng(0)
    z = {m: rng.normal(size=(4, 1, D)) for m in "abcd"}
    here = {m: np.full((4, 1), m in "ab") for m in "abcd"}
    before = fused(module, z, here)
    louder = fused(module, {**z, "c": z["c"] + 5, "d": z["d"] - 5}, here)
    np.testing.assert_array_equal(before, louder)
    with torch.no_grad():
        module.joins[1].right.bias += 7  # the join of c and d comes second
    np.testing.assert_array_equal(before, fused(module, z, here))
    with torch.no_grad():
        module.joins[0].left.bias += 7
    assert np.abs(before - fused(module, z, here)).min(axis=1).max() > 0.1


# --- latent arrays --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_latents", "n_layers", "n_heads"), [(1, 1, 1), (3, 1, 2), (5, 2, 4)]
)
def test_latent(n_latents, n_layers, n_heads):
    module = build(LatentFusion(n_latents, n_layers, n_heads))

    def formula(z, here):
        mark = dict(zip(z, numbers(module.modality)))
        memory = norm(module.norm, np.concatenate([z[m] + mark[m] for m in z]))
        there = np.concatenate(list(here.values()))
        latents, everyone = numbers(module.latents), np.ones(n_latents, dtype=bool)
        for layer in module.layers:
            query = norm(layer.norm, latents)
            latents = latents + attend(layer.read, query, memory, there, n_heads)
            y = norm(layer.confer.norm, latents)
            mixed = attend(layer.confer.attention, y, y, everyone, n_heads)
            latents = feed_forward(layer.confer.feed_forward, latents + mixed)
        return latents.mean(axis=0)

    check(module, formula)


def test_latents_do_not_mind_the_order_of_steps():
    module = build(LatentFusion())
    z, here = sample()
    z, here = (
        {m: v.copy() for m, v in z.items()},
        {m: v.copy() for m, v in here.items()},
    )
    before = fused(module, z, here)
    z["audio"], here["audio"] = (
        z["audio"][:, ::-1].copy(),
        here["audio"][:, ::-1].copy(),
    )
    np.testing.assert_allclose(fused(module, z, here), before, rtol=1e-4, atol=1e-5)


def test_latents_tell_modalities_apart():
    """The same token is not read alike as an image and as a text."""
    module = build(LatentFusion(), {"text": 1, "image": 1})
    rng = np.random.default_rng(0)
    z = {m: rng.normal(size=(1, 1, D)) for m in ("text", "image")}
    swapped = {"text": z["image"], "image": z["text"]}
    here = {m: np.ones((1, 1), dtype=bool) for m in z}
    moved = fused(module, swapped, here) - fused(module, z, here)
    assert np.abs(moved).max() > 0.01


# --- tensors --------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_low_rank_tensor(rank):
    """The whole tensor of products, and weights of which the factors are the parts."""
    module = build(LowRankTensorFusion(rank))
    weights = np.zeros((D, D + 1, D + 1, D + 1))
    for r in range(rank):
        factors = []  # of (D, D + 1): the last column stands for the 1 of [z; 1]
        for m in STEPS:
            layer, rows = module.factor[m], slice(r * D, (r + 1) * D)
            v, c = numbers(layer.weight)[rows], numbers(layer.bias)[rows]
            factors.append(np.column_stack([v / 3**0.5, 1 + c / 3**0.5]))
        weights += np.einsum("oi,oj,ok->oijk", *factors)

    def formula(z, here):
        text, image, audio = (np.append(pool(z[m], here[m]), 1) for m in z)
        tensor = np.multiply.outer(np.multiply.outer(text, image), audio)
        return (np.tensordot(weights, tensor, axes=3) - rank) / math.sqrt(rank)

    check(module, formula)


def test_full_tensor():
    module = build(LowRankTensorFusion(rank=None))
    weights = numbers(module.output.weight).reshape(D, D + 1, D + 1, D + 1)
    weights = weights / (D + 1) ** 1.5  # one over the root of the number of products

    def formula(z, here):
        text, image, audio = (np.append(pool(z[m], here[m]), 1) for m in z)
        products = np.einsum("oijk,i,j,k->o", weights, text, image, audio)
        return products + numbers(module.output.bias)

    check(module, formula)


@pytest.mark.parametrize("n_modalities", [1, 2, 3, 8, 24])
def test_products_of_many_modalities_keep_their_size(n_modalities):
    steps = {f"m{k}": 1 for k in range(n_modalities)}
    module = fresh(LowRankTensorFusion(), steps, d=64)
    rng = np.random.default_rng(0)
    z = {m: rng.normal(size=(200, 1, 64)) for m in steps}
    here = {m: np.ones((200, 1), dtype=bool) for m in steps}
    found = fused(module, z, here)
    assert 0.4 < found.std() < 1
    assert abs(found.mean()) < 0.1


def test_an_absent_modality_starts_neutral():
    """Its learned vector, zero at first, changes no product of the others."""
    steps = dict.fromkeys("abc", 1)
    module = fresh(LowRankTensorFusion(rank=2), steps)
    rng = np.random.default_rng(0)
    z = {m: rng.normal(size=(5, 1, D)) for m in steps}
    z["b"] *= 0  # as ModalityTokens starts where b is absent
    here = {m: np.full((5, 1), m != "b") for m in steps}
    v = {m: numbers(module.factor[m].weight) / 3**0.5 for m in "ac"}
    product = np.prod([1 + z[m][:, 0] @ v[m].T for m in "ac"], axis=0)
    expected = (product.reshape(5, 2, D).sum(axis=1) - 2) / 2**0.5
    np.testing.assert_allclose(fused(module, z, here), expected, rtol=1e-3, atol=1e-5)


class TestSizeOfTheFullTensor:
    def test_too_many_products(self):
        message = r"65\^3 = 274,625 numbers a row for 3 modalities.* Give a rank"
        with pytest.raises(ValueError, match=message):
            LowRankTensorFusion(rank=None).build(dict.fromkeys("abc", 1), 64, 0.0)
        LowRankTensorFusion(rank=None).build(dict.fromkeys("abc", 1), 32, 0.0)

    def test_the_largest_there_is(self):
        spec, two = LowRankTensorFusion(rank=None), dict.fromkeys("ab", 1)
        assert spec.build(two, 255, 0.0).output.weight.shape == (255, 65_536)
        with pytest.raises(ValueError, match=r"257\^2 = 66,049"):
            spec.build(two, 256, 0.0)

    def test_a_step_of_training_moves_it_no_more_than_its_size(self):
        """Thousands of products, all moved at once, must not sum up to a leap."""
        module = fresh(LowRankTensorFusion(rank=None), dict.fromkeys("ab", 1), d=64)
        generator = torch.Generator().manual_seed(0)
        z = {m: torch.randn(1, 1, 64, generator=generator) for m in "ab"}
        here = {m: torch.ones(1, 1, dtype=torch.bool) for m in "ab"}
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
        before = module(z, here).fused
        before.sum().backward()
        optimizer.step()
        moved = (module(z, here).fused - before).abs()
        assert 0.01 < moved.max() < 1

    def test_learns_where_it_fits(self):
        X, y = two_pairs(400)
        spec = LowRankTensorFusion(rank=None)
        fitted = head(spec, embed_dim=4, max_epochs=40, lr=2e-2).fit(X[:300], y[:300])
        assert fitted.score(X[300:], y[300:]) > 0.85


# --- graphs ---------------------------------------------------------------------------


@pytest.mark.parametrize(("n_layers", "n_heads"), [(1, 1), (1, 4), (3, 2)])
def test_graph(n_layers, n_heads):
    module = build(GraphFusion(n_layers, n_heads))
    width = D // n_heads

    def formula(z, here):
        x = np.array([pool(z[m], here[m]) for m in z])
        senders = [k for k, m in enumerate(z) if here[m].any()]
        for layer in module.layers:
            y = norm(layer.norm, x)
            target = linear(layer.target, y)
            source = y @ numbers(layer.source.weight).T
            value = linear(layer.value, y)
            messages = np.zeros_like(x)
            for h in range(n_heads):
                part = slice(h * width, (h + 1) * width)
                score, pair = numbers(layer.score)[h].ravel(), numbers(layer.pair)[h]
                for m in range(3):
                    weight = {} if senders else dict.fromkeys(range(3), 1)
                    for n in senders:
                        edge = target[m, part] + source[n, part]
                        edge = np.where(edge > 0, edge, 0.2 * edge)
                        weight[n] = math.exp(score @ edge + pair[m, n])
                    heard = sum(w * value[n, part] for n, w in weight.items())
                    messages[m, part] = heard / sum(weight.values())
            x = feed_forward(layer.feed_forward, x + linear(layer.output, messages))
        return x.ravel()

    check(module, formula)


def test_an_edge_belongs_to_an_ordered_pair():
    """What audio makes of text is turned up; nobody else hears of that."""
    module = build(GraphFusion(n_layers=1))
    z, here = sample()
    before = fused(module, z, here)
    text, _, audio = range(3)
    with torch.no_grad():
        module.layers[0].pair[:, audio, text] += 3
    moved = np.abs(fused(module, z, here) - before)
    np.testing.assert_array_equal(moved[:, : 2 * D], 0)
    both = here["text"].any(axis=1) & here["audio"].any(axis=1)
    assert (moved[both, 2 * D :].max(axis=1) > 1e-3).all()


# --- all of them ----------------------------------------------------------------------


@pytest.mark.parametrize("n_modalities", [2, 3, 8])
def test_parameters_as_documented(n_modalities):
    m, d = n_modalities, 64
    assert count(ProgressiveFusion(), m) == pytest.approx(8 * (m - 1) * d**2, rel=0.05)
    assert count(LatentFusion(n_layers=3), m) == pytest.approx(3 * 12 * d**2, rel=0.05)
    assert count(GraphFusion(n_layers=3), m) == pytest.approx(3 * 8 * d**2, rel=0.05)
    low_rank = count(LowRankTensorFusion(rank=5), m)
    assert low_rank == pytest.approx(5 * m * d**2, rel=0.05)
    if m == 2:
        assert count(LowRankTensorFusion(rank=None), m) == (d + 1) ** 2 * d + d


@pytest.mark.parametrize(
    "spec",
    [
        ProgressiveFusion([("c", "d"), ("b", "a")]),
        LatentFusion(),
        LowRankTensorFusion(),
        GraphFusion(),
    ],
)
def test_finds_the_pair_that_matters_among_four(spec):
    X, y = two_pairs(700)
    score = head(spec).fit(X[:500], y[:500]).score(X[500:], y[500:])
    assert score > 0.85  # a and b by themselves say nothing
