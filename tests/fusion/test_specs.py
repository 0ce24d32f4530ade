"""Fusions by name, as objects, and of a user's own."""

import gc

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from skmultimodal import pack
from skmultimodal.fusion import (
    AttentionPoolFusion,
    BottleneckFusion,
    ConcatFusion,
    CrossAttentionFusion,
    EmbraceFusion,
    FiLMFusion,
    FusionModule,
    FusionOutput,
    GatedFusion,
    GraphFusion,
    LatentFusion,
    LowRankTensorFusion,
    MMTMFusion,
    NeuralFusion,
    ProgressiveFusion,
)
from skmultimodal.fusion._base import fusion_name, known_fusions, make_fusion
from skmultimodal.heads import FusionClassifier
from skmultimodal.nn import PerModality, pool_tokens

HEAD = {"embed_dim": 8, "hidden_layer_sizes": (), "lr": 2e-2, "batch_size": 32}
HEAD |= {"dropout": 0.0, "max_epochs": 20, "random_state": 0, "device": "cpu"}


def agreement(n=240):
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, n, 1))
    return pack({"left": left, "right": right}), (left * right > 0).ravel().astype(int)


@pytest.fixture
def product_fusion():
    """A fusion of a user's own; parametrised tests take the package's alone."""

    class Product(FusionModule):
        def __init__(self, modalities, d, squash):
            super().__init__()
            self.d_out, self.squash = d, squash
            self.value = PerModality({m: nn.Linear(d, d) for m in modalities})

        def forward(self, tokens, present):
            factors = [
                self.value[m](pool_tokens(z, present[m])) for m, z in tokens.items()
            ]
            fused = torch.stack(factors).prod(dim=0)
            return FusionOutput(fused.tanh() if self.squash else fused)

    class ProductFusion(NeuralFusion):
        level = "relational"
        _parameter_constraints = {"squash": ["boolean"]}

        def __init__(self, squash=False):
            self.squash = squash

        def build(self, modalities, embed_dim, dropout):
            return Product(list(modalities), embed_dim, self.squash)

    return ProductFusion


class TestOwnFusion:
    def test_is_found_by_its_name(self, product_fusion):
        assert known_fusions()["product"] is product_fusion
        assert make_fusion("product") == product_fusion()

    def test_learns_in_a_head(self, product_fusion):
        X, y = agreement()
        head = FusionClassifier("product", **HEAD).fit(X[:160], y[:160])
        assert head.score(X[160:], y[160:]) > 0.85
        again = FusionClassifier(product_fusion(), **HEAD).fit(X[:160], y[:160])
        np.testing.assert_array_equal(head.predict_proba(X), again.predict_proba(X))

    def test_is_searched_beside_those_of_the_package(self, product_fusion):
        X, y = agreement()
        search = GridSearchCV(
            FusionClassifier(**HEAD),
            [
                {"fusion": ["concat"]},
                {"fusion": [product_fusion()], "fusion__squash": [False, True]},
            ],
            cv=2,
            error_score="raise",
        ).fit(X, y)
        assert isinstance(search.best_params_["fusion"], product_fusion)
        assert len(search.cv_results_["params"]) == 3
        assert "squash" in repr(clone(product_fusion()).set_params(squash=True))

    def test_its_constraints_are_checked(self, product_fusion):
        X, y = agreement(20)
        with pytest.raises(ValueError, match="'squash' parameter of ProductFusion"):
            FusionClassifier(product_fusion(squash=3), **HEAD).fit(X, y)

    def test_one_that_needs_two_modalities_says_so(self, product_fusion):
        product_fusion.min_modalities = 2
        X, y = agreement(20)
        with pytest.raises(
            ValueError, match=r"at least 2 modalities, X has 1: .'left'"
        ):
            FusionClassifier(product_fusion(), **HEAD).fit(X[["left__0"]], y)
        with pytest.raises(ValueError, match=r"array without column names.*pack"):
            FusionClassifier(product_fusion(), **HEAD).fit(X.to_numpy(), y)
        split = {"left": [0], "right": [1]}
        FusionClassifier(product_fusion(), modalities=split, **HEAD).fit(
            X.to_numpy(), y
        )

    def test_its_own_loss_is_learned(self, product_fusion):
        """A term of the fusion's own pulls its output where it wants it."""

        class Pulled(FusionModule):
            def __init__(self, d):
                super().__init__()
                self.d_out = d
                self.level = nn.Parameter(torch.zeros(()))

            def forward(self, tokens, present):
                fused = torch.cat([z[:, 0] for z in tokens.values()], dim=1)
                return FusionOutput(fused, loss=(self.level - 0.5).square())

        class PulledFusion(NeuralFusion):
            level = "feature"

            def build(self, modalities, embed_dim, dropout):
                return Pulled(len(modalities) * embed_dim)

        X, y = agreement(64)
        head = FusionClassifier(PulledFusion(), **HEAD).fit(X, y)
        assert 0.2 < head.module_.fusion.level.item() < 0.55  # from zero


def test_a_fusion_that_is_gone_is_no_longer_known():
    class PassingFusion(ConcatFusion):
        pass

    assert "passing" in known_fusions()
    del PassingFusion
    gc.collect()
    assert "passing" not in known_fusions()


def test_abstract_fusions_are_not_listed():
    class HalfFusion(NeuralFusion):
        pass

    assert "half" not in known_fusions()
    with pytest.raises(TypeError, match="abstract"):
        HalfFusion()


def test_a_name_stands_for_defaults():
    class RankedFusion(ConcatFusion):
        def __init__(self, rank):
            self.rank = rank

    assert make_fusion(RankedFusion(2)).rank == 2
    with pytest.raises(
        ValueError, match=r"'ranked' .* RankedFusion .* \['rank'\] have"
    ):
        make_fusion("ranked")


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (ConcatFusion, "concat"),
        (GatedFusion, "gated"),
        (BottleneckFusion, "bottleneck"),
        (CrossAttentionFusion, "cross_attention"),
        (AttentionPoolFusion, "attention_pool"),
        (FiLMFusion, "film"),
        (EmbraceFusion, "embrace"),
        (MMTMFusion, "mmtm"),
        (ProgressiveFusion, "progressive"),
        (LatentFusion, "latent"),
        (LowRankTensorFusion, "low_rank_tensor"),
        (GraphFusion, "graph"),
    ],
)
def test_names(cls, name):
    assert fusion_name(cls) == name
    assert known_fusions()[name] is cls
    assert make_fusion(name) == cls()


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        ("MyOwnFusion", "my_own"),
        ("LowRankTensorFusion", "low_rank_tensor"),
        ("BlockPCAFusion", "block_pca"),
        ("CCAFusion", "cca"),
        ("FiLM", "film"),
    ],
)
def test_names_in_snake_case(cls, name):
    assert fusion_name(type(cls, (), {})) == name


class TestWhatIsNoFusion:
    def test_unknown_name_lists_the_known(self):
        with pytest.raises(
            ValueError, match=r"'concta' is not known.*'bottleneck', 'concat', "
        ):
            make_fusion("concta")

    def test_a_class(self):
        with pytest.raises(
            ValueError, match=r"is a class; give an instance, GatedFusion"
        ):
            make_fusion(GatedFusion)

    def test_anything_else(self):
        with pytest.raises(ValueError, match=r"neither the name of a fusion .*concat"):
            make_fusion(3)

    @pytest.mark.parametrize(
        ("spec", "parameter"),
        [
            (BottleneckFusion(n_tokens=0), "n_tokens"),
            (BottleneckFusion(n_layers=0), "n_layers"),
            (BottleneckFusion(n_heads=1.5), "n_heads"),
            (BottleneckFusion(fusion_layer=-1), "fusion_layer"),
            (CrossAttentionFusion(n_layers="two"), "n_layers"),
            (FiLMFusion(condition=3), "condition"),
            (MMTMFusion(n_layers=0), "n_layers"),
            (MMTMFusion(ratio=0.5), "ratio"),
            (ProgressiveFusion(hierarchy="text"), "hierarchy"),
            (ProgressiveFusion(hierarchy={"text": 1}), "hierarchy"),
            (LatentFusion(n_latents=0), "n_latents"),
            (LatentFusion(n_layers=0), "n_layers"),
            (LowRankTensorFusion(rank=0), "rank"),
            (LowRankTensorFusion(rank="full"), "rank"),
            (GraphFusion(n_layers=0), "n_layers"),
            (GraphFusion(n_heads=0), "n_heads"),
        ],
    )
    def test_parameters(self, spec, parameter):
        with pytest.raises(ValueError, match=f"The '{parameter}' parameter of "):
            make_fusion(spec)

    @pytest.mark.parametrize(
        "fusion",
        [BottleneckFusion(), CrossAttentionFusion(), LatentFusion(), GraphFusion()],
    )
    def test_heads_that_do_not_divide(self, fusion):
        fusion = clone(fusion).set_params(n_heads=3)
        with pytest.raises(
            ValueError, match=r"n_heads=3\) cannot split embed_dim=8.*\[1, 2, 4, 8\]"
        ):
            fusion.build({"a": 1, "b": 1}, 8, 0.0)

    def test_a_condition_that_is_not_there(self):
        X, y = agreement(20)
        with pytest.raises(
            ValueError, match=r"condition='up'.*has \['left', 'right'\]\. Choose one"
        ):
            FusionClassifier(FiLMFusion("up"), **HEAD).fit(X, y)

    def test_a_condition_and_nothing_else(self):
        X, y = agreement(20)
        with pytest.raises(
            ValueError, match=r"at least 2 modalities, X has 1: .'left'"
        ):
            FusionClassifier("film", **HEAD).fit(X[["left__0"]], y)
        with pytest.raises(ValueError, match=r"nothing to modulate: 'left'"):
            FiLMFusion().build({"left": 1}, 8, 0.0)

    def test_a_bottleneck_that_never_opens(self):
        with pytest.raises(ValueError, match=r"never opens.*smaller than n_layers"):
            BottleneckFusion(n_layers=2, fusion_layer=2).build({"a": 1}, 8, 0.0)


class TestValues:
    def test_equal_specs_hash_alike(self):
        one, same = BottleneckFusion(n_tokens=4), BottleneckFusion(n_tokens=np.int64(4))
        assert one == same
        assert hash(one) == hash(same)
        assert {one: 1}[same] == 1

    def test_unhashable_parameters(self):
        class ListFusion(ConcatFusion):
            def __init__(self, order=None):
                self.order = order

        assert hash(ListFusion(["a"])) == hash(ListFusion(["a"]))
        assert ListFusion(["a"]) != ListFusion(["b"])

    def test_the_users_spec_is_copied(self):
        spec = BottleneckFusion(n_tokens=2)
        made = make_fusion(spec)
        assert made == spec
        assert made is not spec

    def test_a_name_has_no_parameters_to_search(self):
        head = FusionClassifier("bottleneck")
        with pytest.raises((ValueError, AttributeError)):
            head.set_params(fusion__n_tokens=2)
        head.set_params(fusion=BottleneckFusion(), fusion__n_tokens=2)
        assert head.fusion == BottleneckFusion(n_tokens=2)
        assert head.get_params()["fusion__n_tokens"] == 2

    def test_cost_grows_as_documented(self):
        """About 8 d² a modality and layer; about 4 M (M - 1) d² a layer."""
        d = 64

        def count(spec, m):
            module = spec.build({f"m{k}": 1 for k in range(m)}, d, 0.0)
            return sum(p.numel() for p in module.parameters())

        for m in (2, 3):
            found = count(BottleneckFusion(n_layers=2), m)
            assert found == pytest.approx(2 * m * 8 * d**2, rel=0.05)
        assert count(GatedFusion(), 3) == pytest.approx(12 * d**2, rel=0.05)
        assert count(ConcatFusion(), 3) == 0
        extra = (
            count(CrossAttentionFusion(), 5) / 5 - count(CrossAttentionFusion(), 2) / 2
        )
        assert extra == pytest.approx(3 * 4 * d**2, rel=0.05)
