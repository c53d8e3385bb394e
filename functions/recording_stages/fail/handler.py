"""The end of every failure of the analysis: mark the recording `FAILED`, keep its progress, and say why."""

from inlet.speaking_sessions.stage import STAGES

lambda_handler = STAGES.failure()
