"""A live stream of events while its store goes away and comes back."""

from pathlib import Path

from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.signals.conftest import House
from tests.e2e.signals.test_events import Feed
from tests.running import RunningGateway
from tests.waiting import until
from tests.webhook_receiver import Receiver


def test_a_stream_outlives_the_stores_absence(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """Its reader hears pings meanwhile, and afterwards each event once."""
    store = EmbeddedValkey(tmp_path / "store")
    store.start()
    try:
        config = {
            "providers": {"sim": {"kind": "simulator", "base_url": simulator.base_url}},
            "server": {"ping_s": 0.2},
            "state": {"url": store.url, "timeout_s": 0.5},
        }
        with RunningGateway(tmp_path / "gateway", config) as gateway, Receiver() as unused:
            house = House(gateway, unused, store.url)
            feed = Feed(gateway)
            first = house.spend("before", 600)
            assert [each[2]["id"] for each in feed.events(1)] == [f"{first}:50"]
            store.stop()
            until(lambda: gateway.request("/readyz").status == 503, "the store to be missed")
            lines = feed.lines()
            assert [line for _, line in zip(range(6), lines, strict=False) if line] == [": ping"] * 3
            store.start()
            until(lambda: gateway.request("/readyz").status == 200, "the store to be back")
            second = house.spend("after", 600)
            assert [each[2]["id"] for each in feed.events(1)] == [f"{second}:50"]
            feed.close()
    finally:
        store.stop()
