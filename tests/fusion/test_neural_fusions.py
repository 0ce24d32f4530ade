"""What every neural fusion promises, and what each can learn.

The promises are checked by `skmultimodal.testing`, as those of a user's own fusion are;
a new one is found by its base class.
"""

import itertools

import numpy as np
import pytest
import torch

from skmultimodal import pack
from skmultimodal.fusion._base import fusion_name, known_fusions
from skmultimodal.heads import FusionClassifier
from skmultimodal.testing import parametrize_with_fusion_checks
from skmultimodal.testing._bare_net import make_net
from skmultimodal.testing._stack_checks import draws_in_training

# A fusion that another test defines is none of the package's.
FUSIONS = {
    name: cls
    for name, cls in known_fusions().items()
    if cls.__module__.startswith("skmultimodal.")
}
LEARNS_XOR = {  # with a linear output behind it
    "attention_pool": False,  # one weight for all channels
    "bottleneck": True,
    "concat": False,
    "cross_attention": True,
    "embrace": False,
    "evidential": True,  # by its joint view
    "film": True,
    "gated": True,
    "graph": True,
    "latent": True,
    "low_rank_tensor": True,
    "mmtm": True,
    "progressive": True,
}
DRAWS = {"embrace"}  # at random in training, whatever the dropout rate

every_fusion = pytest.mark.parametrize("name", FUSIONS)


@parametrize_with_fusion_checks(FUSIONS)
def test_promises(fusion, check):
    check(fusion)


def test_the_table_of_xor_names_every_fusion():
    assert set(LEARNS_XOR) == set(FUSIONS)


@every_fusion
def test_its_name_is_that_of_the_table(name):
    assert fusion_name(FUSIONS[name]) == name


@every_fusion
def test_draws_in_training_only_if_its_formula_does(name):
    assert draws_in_training(FUSIONS[name]()) == (name in DRAWS)


@every_fusion
def test_another_seed_gives_other_weights(name):
    one, other = (make_net(FUSIONS[name](), seed) for seed in (0, 1))
    for (key, a), b in zip(one.named_parameters(), other.parameters()):
        if a.ndim > 1 and a.any():  # not one that starts at zero
            assert not torch.equal(a, b), key


@every_fusion
def test_documented_with_a_paper_and_an_example(name):
    doc = FUSIONS[name].__doc__
    for word in ("References", "arXiv:", "Examples", ">>>", "d_out ="):
        assert word in doc, word


def test_no_two_fusions_are_equal():
    specs = [cls() for cls in FUSIONS.values()]
    assert all(a != b for a, b in itertools.combinations(specs, 2))
    assert len(set(specs)) == len(specs)


@every_fusion
def test_learns_xor_if_its_formula_can(name):
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (2, 400))
    noise = rng.normal(scale=0.2, size=(2, 400))
    left, right = (signs + noise)[:, :, None]
    X = pack({"left": left, "right": right})
    y = (signs[0] == signs[1]).astype(int)
    learner = FusionClassifier(
        name,
        embed_dim=16,
        hidden_layer_sizes=(),
        lr=2e-2,
        dropout=0.0,
        max_epochs=30,
        batch_size=32,
        random_state=0,
        device="cpu",
    )
    score = learner.fit(X[:300], y[:300]).score(X[300:], y[300:])
    # one that cannot gets three corners of four right at best
    assert score > 0.95 if LEARNS_XOR[name] else score < 0.88
