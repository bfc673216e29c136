"""A gain that the graded nDCG of mmrec is held against its peers with, beside its own linear one."""

from jaxtyping import Float, Float64
from torch import Tensor


def exponential(grades: Float[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """2^grade − 1 (Burges et al. 2005)."""
    return grades.double().exp2() - 1
