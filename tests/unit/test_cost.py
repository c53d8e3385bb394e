"""What 1,000 image jobs cost on AWS, as `make bench ONLY=cost` adds it up."""

import pytest

from bench.cost import FUNCTIONS, GENERATE, PRICES, Job, Work, cost, transitions
from local.stack import PROJECT
from local_aws.template import Template

JOB = Job(dict.fromkeys(FUNCTIONS, Work(processor_seconds=0.01, gets=1, round_trips=2)), 1_000_000, 200_000)


def test_the_templates_memory_decides_what_waiting_costs() -> None:
    template = Template(PROJECT / "template.yaml", parameters={"Generator": "gemini"})
    memory = {name: template.functions[name].memory for name in FUNCTIONS}
    steps = transitions(template.state_machines[0].definition)
    assert steps == 6

    small = cost(JOB, memory, steps, model_seconds=75)
    large = cost(JOB, memory | {GENERATE: 2 * memory[GENERATE]}, steps, model_seconds=75)
    added = 1000 * 75 * memory[GENERATE] / 1024 * PRICES["lambda GB-second"].dollars
    assert sum(large.values()) - sum(small.values()) == pytest.approx(added, rel=0.02)
    assert {name for name in small if small[name] != large[name]} == {"generate"}
