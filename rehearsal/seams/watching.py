"""Alarms on metric math, and saved queries: MiniStack knows neither, and evaluates no alarm of a stack anyway.

An alarm on math is kept as one on its first metric; a query is kept by its name. So what names them deploys, changes
and goes; what they would say is not rehearsed.
"""

import uuid
from typing import Any

from ministack.services.cloudformation import provisioners

_queries: dict[str, dict[str, Any]] = {}


def install() -> None:
    """Teach MiniStack both."""
    record = provisioners._cw_metric_alarm_record

    def recording(name: str, properties: dict[str, Any]) -> Any:
        if not (metrics := properties.get("Metrics")):
            return record(name, properties)
        if sum(one.get("ReturnData", True) for one in metrics) != 1:
            raise ValueError("Exactly one element of the metrics list must return data.")
        stat = next(one["MetricStat"] for one in metrics if "MetricStat" in one)
        first = {**stat["Metric"], "Statistic": stat["Stat"], "Period": stat["Period"]}
        return record(name, {key: value for key, value in properties.items() if key != "Metrics"} | first)

    provisioners._cw_metric_alarm_record = recording
    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {
        "create": _create,
        "update": _update,
        "delete": lambda physical_id, _properties: _queries.pop(physical_id, None),
    }


def _create(_logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
    return _update(str(uuid.uuid4()), {}, properties, _stack)


def _update(
    physical_id: str, _old: dict[str, Any], properties: dict[str, Any], _stack: str
) -> tuple[str, dict[str, Any]]:
    if not properties.get("Name") or not properties.get("QueryString"):
        raise ValueError("Name and QueryString are required for AWS::Logs::QueryDefinition")
    _queries[physical_id] = properties
    return physical_id, {"QueryDefinitionId": physical_id}
