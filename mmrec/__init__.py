"""mmrec: multimodal recommendation with knowledge-graph fusion."""

from mmrec import _torchvision  # noqa: F401  (first: every other import may reach torchvision)

__version__ = "0.1.0"
