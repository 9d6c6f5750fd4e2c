"""What a run says: tables, targets, the picture and the page, from figures that are made up."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping

import pytest
from loadtests import picture, report, tables, targets
from loadtests.bench import DIRECT, LIMIT, OURS, SECOND, Kind, Reading, Result, Row
from loadtests.generator import Tally
from loadtests.machine import Place
from loadtests.results import BEGIN, END, written
from loadtests.scenarios import SCENARIOS
from loadtests.second_worker import brought
from loadtests.slow_streams import Slow

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
NAMES: Mapping[Kind, str] = {"direct": DIRECT, "limit": LIMIT, "ours": OURS, "second": SECOND}


def reading(rate: float, cpu_us: float, ms: float = 1.0, errors: int = 0, driver: float = 0.2) -> Reading:
    """A second of answers that all took as long."""
    calls = int(rate)
    tally = Tally(seconds=1.0, completed=calls, in_all=calls, latencies=[ms / 1e3] * 9, first=[ms / 1e3] * 9)
    tally.errors = Counter({"status 500": errors} if errors else {})
    return Reading(tally=tally, server_s=calls * cpu_us / 1e6, driver_s=driver)


def row(kind: Kind, rate: float, cpu_us: float, *, name: str = "", ms: float = 1.0, errors: int = 0) -> Row:
    """A server that did as well under both loads."""
    found = Row(name=name or NAMES[kind], kind=kind, rate=100.0)
    found.saturation = reading(rate, cpu_us, ms, errors)
    found.paced = None if kind == "second" else reading(100, cpu_us, ms)
    return found


def result(scenario: str, *rows: Row) -> Result:
    """A scenario beside the upstream and a forwarder of 100 µs."""
    base = (row("direct", 50_000, 10, ms=0.5), row("limit", 8_000, 100, ms=0.8))
    return Result(scenario=BY_NAME[scenario], rows=(*base, *rows))


def judged(ran: targets.Ran) -> dict[str, targets.Target]:
    """Targets by title."""
    return {target.title: target for target in targets.judge(ran)}


def test_a_row_with_errors_shows_the_errors_and_nothing_else() -> None:
    """Neither throughput nor times are printed of a server that failed, and the others keep theirs."""
    drawn = report.table(
        result("chat", row("ours", 2_000, 200, errors=3), row("peer", 100, 9_000, name="Peer"))
    )
    cells = {
        line.split("|")[1].strip(): line.strip("|").split("|") for line in drawn.splitlines() if "|" in line
    }

    assert {cell.strip() for cell in cells[OURS][1:-1]} == {tables.NONE}
    assert cells[OURS][-1].strip() == "status 500 x3"
    assert [cell.strip() for cell in cells["Peer"][1:5]] == ["100", "0.002", "0.0125", "9,000"]


def test_targets_are_met_at_the_figure_itself_and_missed_beyond() -> None:
    """All on at five times the forwarder is met; a peer's stateless call is what the others are held against."""
    peers = (row("peer", 50, 20_000, name="LiteLLM", ms=9.0), row("peer", 500, 2_900, name="Portkey"))
    chat = result("chat", row("ours", 4_000, 250), *peers)
    found = judged(targets.Ran(results=[chat, result("all-on", row("ours", 1_500, 500, ms=1.4))]))

    assert found["CPU per stateless call"].met
    assert found["CPU per call, all on"].met
    assert found["CPU per call, all on, beside LiteLLM's stateless call"].met
    assert (
        found["CPU per call, all on, beside LiteLLM's stateless call"].measured
        == "1/40.0 (500 µs, 20,000 µs)"
    )
    assert found["requests/s per core, all on, beside LiteLLM's stateless"].met
    assert found["CPU per call, all on, beside Portkey's stateless call"].met is False
    assert found["requests/s per core, all on, beside Portkey's stateless"].met is False
    assert found["added p50 at 40 % of saturation, all on"].met
    assert "LiteLLM's stateless 8.50 ms" in found["added p50 at 40 % of saturation, all on"].measured


def test_what_failed_or_was_not_there_is_judged_by_nobody() -> None:
    """A gateway with errors, a peer that was not started and a scenario that was not run are not measured."""
    broken = result("all-on", row("ours", 1_500, 400, errors=1))
    found = targets.judge(targets.Ran(results=[result("chat", row("ours", 4_000, 200)), broken]))
    met = {target.title: target.met for target in found}

    assert met.pop("CPU per stateless call")
    assert set(met.values()) == {None}
    assert "**not met**" not in targets.table(found)


@pytest.mark.parametrize(("ours", "direct", "met"), [(3, 3, True), (3, 5, True), (4, 3, False)])
def test_stalls_that_the_upstream_had_as_well_are_not_the_gateways(ours: int, direct: int, met: bool) -> None:
    """Only what is more than the upstream's own counts."""
    slow = [Slow(name=DIRECT, chunks=9, stalls=direct), Slow(name=OURS, chunks=9, stalls=ours)]
    found = [target for target in targets.judge(targets.Ran(slow=slow)) if target.met is not None]

    assert [target.met for target in found] == [met]


def test_few_calls_prove_too_much_memory_and_never_little_enough() -> None:
    """What is wanted after 100,000 calls is judged after as many, or when it is broken before."""
    ran = [
        targets.Ran(calls=calls, rss_mib=rss)
        for calls, rss in ((9_000, 140.0), (9_000, 160.0), (100_000, 150.0))
    ]
    title = "RSS of a worker, mixed calls"

    assert [judged(each)[title].met for each in ran] == [None, False, True]


@pytest.mark.parametrize(("allowed", "both"), [([3], (3,)), ([0, 1], (0, 1)), ([0, 1, 2, 3], (0, 2))])
def test_servers_and_load_generator_have_cpus_of_their_own_where_there_are_enough(
    allowed: list[int], both: tuple[int, ...]
) -> None:
    """With three CPUs, two workers leave one to the load generator; one CPU is for everybody."""
    place = Place.on(allowed)

    assert place.server == allowed[0]
    assert place.driver == allowed[-1 if len(allowed) == 1 else 1]
    assert place.both == both


@pytest.mark.parametrize(("cpus", "per_cpu"), [(2, 1.8), (4, 1.62)])
def test_the_load_generators_part_of_the_second_cpu_is_not_the_workers(cpus: int, per_cpu: float) -> None:
    """On two CPUs, a fifth of one taken, two workers had 1.8; with CPUs to spare they had two."""
    rows = result("chat", row("ours", 1_000, 900), row("second", 1_620, 900)).rows
    found = brought(Result(scenario=BY_NAME["chat"], rows=rows, cpus=cpus))

    assert found is not None
    assert found.per_cpu == pytest.approx(per_cpu)
    assert found.counted == pytest.approx(1.62)


def test_the_picture_is_well_formed_says_all_figures_and_knows_dark_ground() -> None:
    """Every server has a bar as long as its figure, names are escaped, and a peer with errors is left out."""
    rows = (row("ours", 4_000, 200), row("peer", 100, 8_000, name="A <&> B"))
    chat = result("chat", *rows, row("peer", 1, 1, name="Broken", errors=1))
    shown = picture.panels([chat, result("all-on", row("ours", 2_000, 400))])
    root = ET.fromstring(picture.svg(shown, "made up"))  # noqa: S314  # our own

    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    bars = [float(element.attrib["width"]) for element in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert {"A <&> B, stateless", "8,000", f"{OURS}, everything on", "400", LIMIT} <= set(texts)
    assert "Broken" not in "".join(texts)
    assert bars[:4] == [max(bars) * figure / 8_000 for figure in (100, 200, 400, 8_000)]
    assert "prefers-color-scheme: dark" in (root.findtext("{http://www.w3.org/2000/svg}style") or "")


def test_a_picture_of_nothing_is_a_picture() -> None:
    """A run without the scenarios that are shown draws no bars, and what it draws is well-formed."""
    assert ET.fromstring(picture.svg(picture.panels([]), "nothing")).tag.endswith("svg")  # noqa: S314  # our own


def test_what_people_wrote_around_results_stays() -> None:
    """A run replaces what the last run wrote, and a page without a place for it is refused."""
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert written(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert written(written(page, "first"), "new") == written(page, "new")
    with pytest.raises(ValueError, match="no place"):
        written("before\nafter\n", "new")
