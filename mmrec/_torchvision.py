"""Lets a torchvision built for CUDA be imported beside a CPU-only torch.

Package registries carry torchvision only as built against the CUDA torch of its own version. Beside a CPU torch its compiled operators
do not load, and `import torchvision` stops at `operator torchvision::nms does not exist`: it registers shape functions for operators nobody
defined. transformers, torchmetrics, open_clip and lightning then fail with it. Defining the missing schemas is all it needs: mmrec uses
torchvision's transforms, never its operators, and a call to one still fails loudly for want of a kernel.
"""

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None  # kept alive: the schemas vanish with it

try:
    import torchvision  # noqa: F401
except ImportError:  # not installed: nothing to mend
    pass
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _schema in _SCHEMAS:
        _library.define(_schema)
