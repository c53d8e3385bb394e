"""The stages of the analysis of a recording."""

from inlet.executions import RECORDING
from inlet.speaking_sessions import analyses_table, state
from inlet.speaking_sessions.rows import ANALYSIS_FAILED, ANALYSIS_PROGRESS, Analysis, AnalysisStage
from inlet.stages import Stages

STAGES: Stages[Analysis, AnalysisStage] = Stages(
    RECORDING,
    ANALYSIS_PROGRESS,
    enter=analyses_table.enter,
    fail=analyses_table.fail,
    failed=ANALYSIS_FAILED,
    publish=state.publish,
)
task = STAGES.task
