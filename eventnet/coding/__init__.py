"""The signal code of the specification's section 1, vectorised over time: the oracle for everything else."""

from eventnet.coding.signal import (
    adapt_scale,
    adapt_step,
    decay,
    decode,
    encode,
    k_alpha,
    k_beta,
    kp_kd,
    mean_size,
    quantize,
)

__all__ = [
    "adapt_scale",
    "adapt_step",
    "decay",
    "decode",
    "encode",
    "k_alpha",
    "k_beta",
    "kp_kd",
    "mean_size",
    "quantize",
]
