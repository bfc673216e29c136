"""Make a torchvision built for CUDA importable with a CPU-only torch.

Package registries provide torchvision only built for the CUDA version of torch. With a CPU torch, its compiled operators do not load, and
`import torchvision` raises `operator torchvision::nms does not exist`, because it registers shape functions for undefined operators; so
transformers, torchmetrics, open_clip and lightning fail to import. Defining the missing schemas suffices: mmrec uses torchvision's
transforms, never its operators, and calling one still fails with an error about the missing kernel.
"""

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None  # kept alive, since the schemas are removed with it

try:
    import torchvision  # noqa: F401
except ImportError:  # not installed
    pass
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _schema in _SCHEMAS:
        _library.define(_schema)
