"""The dense baseline, what a user would pick instead: a network trained by online backpropagation."""

from eventnet.engines.dense.engine import DenseEngine

__all__ = ["DenseEngine"]
