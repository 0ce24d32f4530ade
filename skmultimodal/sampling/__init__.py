"""Samplers for imbalanced classes, over everything this package calls X."""

from skmultimodal.sampling._modality_sampler import ModalitySampler

__all__ = ["ModalitySampler"]
