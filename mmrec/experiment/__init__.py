"""Train, tune and evaluate models with typed settings, and read run folders."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.experiment.encoders.tuned import make_tuned_encoder as make_tuned_encoder
    from mmrec.experiment.evidence import Evidence as Evidence
    from mmrec.experiment.evidence import load_evidence as load_evidence
    from mmrec.experiment.prepare import Prepared as Prepared
    from mmrec.experiment.run.run import Run as Run
    from mmrec.experiment.settings import EvaluateSettings as EvaluateSettings
    from mmrec.experiment.settings import EvidenceSettings as EvidenceSettings
    from mmrec.experiment.settings import TrainingSettings as TrainingSettings
    from mmrec.experiment.settings import TrainSettings as TrainSettings

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".encoders.tuned": "make_tuned_encoder",
        ".evidence": "Evidence load_evidence",
        ".prepare": "Prepared",
        ".run.run": "Run",
        ".settings": "EvaluateSettings EvidenceSettings TrainSettings TrainingSettings",
    },
)
