"""What the second worker brings, on a machine where the load generator needs a part of its CPU."""

from msgspec import Struct

from loadtests.bench import Result


class Brought(Struct, frozen=True):
    """How much faster two workers are than one: as counted, and for two CPUs of their own."""

    counted: float
    per_cpu: float


def brought(result: Result) -> Brought | None:
    """Compare one worker with two; None where one of them was not measured.

    With CPUs to spare the load generator takes nothing from the workers. Without, the second worker has what the
    load generator leaves it: the rate is divided by the CPUs that were left and multiplied by two.
    """
    one, two = result.row("ours"), result.row("second")
    if one is None or two is None or one.fast is None or two.fast is None:
        return None
    counted = two.fast.rate / one.fast.rate
    left = min(2.0, result.cpus - two.fast.driver_busy)
    return Brought(counted, 2 * counted / left)
