"""Stage 4, completing (90 → 100 %): transcript, numbers and hints become visible to their speaker, in one statement."""

from inlet import deliverer, keys, metrics, storage
from inlet.executions import RECORDING
from inlet.speaking_sessions import analyses_table
from inlet.speaking_sessions.analyses_table import Told
from inlet.speaking_sessions.rows import Analysis
from inlet.speaking_sessions.speech.documents import Findings, Transcript
from inlet.speaking_sessions.stage import task


def complete(analysis: Analysis) -> None:
    """Complete the analysis. The sweeper deletes what lay between the stages."""
    session_id = analysis.session_id
    transcript = Transcript.from_json(storage.read(keys.transcript(session_id)))
    findings = Findings.from_json(storage.read(keys.findings(session_id)))
    told = Told(
        duration_secs=findings.metrics["totalSecs"],
        transcript=transcript.row(),
        metrics=dict(findings.metrics),
        insights=[{**insight, "start_secs": insight.get("startSecs")} for insight in findings.insights],
    )
    if analyses_table.complete(analysis, told, keys.of_analysis(session_id)):
        metrics.job_completed(RECORDING.workflow)
    deliverer.wake()


lambda_handler = task(complete, during="completing")
