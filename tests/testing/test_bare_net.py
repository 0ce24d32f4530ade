"""What the checks of fusions are fed."""

import torch

from skmultimodal.fusion import ConcatFusion
from skmultimodal.testing._bare_net import make_batch, make_net, modality_steps, wake


def test_presence_has_every_kind_of_row():
    _, present = make_batch(modality_steps(ConcatFusion()))
    rows = torch.cat(list(present.values()), dim=1).int().tolist()
    assert rows == [
        [1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0, 1],
        [1, 1, 1, 1, 1, 1],
    ]


def test_a_fusion_that_needs_more_gets_more():
    class ManyFusion(ConcatFusion):
        min_modalities = 5

    steps = modality_steps(ManyFusion())
    assert list(steps) == ["text", "image", "audio", "extra0", "extra1"]
    _, present = make_batch(steps)
    assert {len(p) for p in present.values()} == {10}


def test_the_seed_decides_the_net():
    one, same, other = (make_net(ConcatFusion(), seed) for seed in (0, 0, 1))
    weights = [net.output.weight for net in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert all(p.any() for p in wake(one).parameters())
