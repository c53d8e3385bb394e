"""The generate function in the memory that the template gives it: what it reads fits, and what would not is refused."""

from bench import memory
from local.stack import LocalStack


def test_the_largest_answer_that_is_read_fits_and_a_larger_one_is_refused_before_it_fills_the_memory(
    stack: LocalStack,
) -> None:
    read = memory.generate(stack, memory.LARGEST)
    assert read.error == ""
    assert read.peak < memory.limit()

    refused = memory.generate(stack, memory.LARGEST + memory.MEGABYTE)
    assert refused.error == "GenerationMalformed: The model's answer is larger than 28 MB."
    assert refused.peak < read.peak - memory.LARGEST
