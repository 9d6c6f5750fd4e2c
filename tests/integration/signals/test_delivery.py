"""Events reach webhooks in order, signed, again until they are taken, and from where a dead worker stopped."""

import logging

import pytest
from llmgw.policy.signals.delivery import GIVEN_UP_MS, IDLE_MS, LONGEST_MS
from llmgw.state.connection import State
from llmgw.upstream import posting
from tests.integration.signals.watch import Watch, on_watch
from tests.waiting import ROOMY_S
from tests.webhook_receiver import Receiver

DAY_S = GIVEN_UP_MS / 1000


def test_events_come_in_order_each_signed(store_url: str) -> None:
    """All that two tenants were told after the webhook began, in the order of telling, and nothing before."""

    async def scene(watch: Watch) -> None:
        await watch.tell("early")
        with Receiver() as receiver:
            delivery = watch.delivery(receiver.url)
            assert await delivery.step() == IDLE_MS
            await watch.tell("a")
            await watch.tell("b", tenant="zeta")
            await watch.tell("c")
            assert await delivery.step() == IDLE_MS
            assert (receiver.ids(), receiver.forged) == (["a", "b", "c"], 0)
            assert len({each.id for each in receiver.got}) == 3
            body = receiver.got[0].body
            assert (body["type"], body["timestamp"]) == ("budget.exceeded", "2026-01-01T00:00:00.000Z")
            assert body["data"]["message"].startswith("The budget team:red:month for 2026-01 refuses calls")
            assert receiver.got[0].at_s == watch.now_ms // 1000
            record = await watch.record(delivery)
            assert (record.state, record.delivered, record.last_status) == ("active", 3, 204)

    on_watch(store_url, scene)


def test_a_failed_event_is_sent_again_and_holds_back_the_next(store_url: str) -> None:
    """Three failures, each waited for twice as long as the one before, then success; the next comes after it."""

    async def scene(watch: Watch) -> None:
        with Receiver(500, 302, 404) as receiver:
            delivery = watch.delivery(receiver.url)
            await delivery.step()
            await watch.tell("a", "b")
            waits = []
            for tries in range(1, 4):
                await delivery.step()
                record = await watch.record(delivery)
                assert (record.state, record.tries) == ("failing", tries)
                waits.append(record.next_ms - watch.now_ms)
                assert await delivery.step() == min(waits[-1], IDLE_MS)
                assert len(receiver.got) == tries
                await watch.away(delivery)
            # Half of what jitter may take: an eighth; never less than the first wait.
            assert waits == [5_000, 8_750, 17_500]
            await delivery.step()
            assert receiver.ids() == ["a", "a", "a", "a", "b"]
            assert len({each.id for each in receiver.got}) == 2
            at = [each.at_s for each in receiver.got]
            assert at[0] < at[1] < at[2] < at[3]
            assert (await watch.record(delivery)).state == "active"

    on_watch(store_url, scene)


def test_a_receiver_that_is_not_there_is_asked_again(store_url: str) -> None:
    """A refused connection is a failure like another, told by its code and no status."""

    async def scene(watch: Watch) -> None:
        with Receiver() as receiver:
            url = receiver.url
        delivery = watch.delivery(url)
        await delivery.step()
        await watch.tell("a")
        await delivery.step()
        record = await watch.record(delivery)
        assert (record.tries, record.last_status, record.last_error) == (1, 0, "provider_unreachable")

    on_watch(store_url, scene)


def test_a_receiver_that_never_answers_is_left(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When its time is over that is a failure, and the event comes again."""
    monkeypatch.setattr(posting, "POST_S", 0.2)

    async def scene(watch: Watch) -> None:
        with Receiver() as receiver:
            receiver.open.clear()
            delivery = watch.delivery(receiver.url)
            await delivery.step()
            await watch.tell("a")
            await delivery.step()
            record = await watch.record(delivery)
            assert (record.tries, record.last_status) == (1, 0)
            assert record.last_error in {"deadline_exceeded", "provider_timeout"}
            receiver.open.set()
            monkeypatch.undo()
            await watch.away(delivery)
            await delivery.step()
            assert receiver.ids() == ["a", "a"]

    on_watch(store_url, scene)


def test_a_worker_killed_after_a_delivery_has_it_come_again(store_url: str) -> None:
    """What was taken but not written down comes again from the next worker, under the same `webhook-id`."""

    async def scene(watch: Watch) -> None:
        with Receiver() as receiver:
            first, second = watch.delivery(receiver.url), watch.delivery(receiver.url)
            await first.step()
            await watch.tell("a", "b")
            assert await second.step() == IDLE_MS
            assert receiver.got == []
            real_post = watch.post

            class Killed(BaseException):
                """The end of a worker at its worst moment."""

            async def post_and_die(*args: object, **kwargs: object) -> object:
                await real_post(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they are
                raise Killed

            first._means = first._means._replace(post=post_and_die)  # type: ignore[arg-type]
            with pytest.raises(Killed):
                await first.step()
            assert receiver.ids() == ["a"]
            # Its lease ends by itself; here the store is told so at once.
            await watch.state.delete(f"llmgw:{{signals}}:lease:webhook:{first.hook.id}")
            await second.step()
            assert receiver.ids() == ["a", "a", "b"]
            assert receiver.got[0].id == receiver.got[1].id
            assert (await watch.record(second)).delivered == 2

    on_watch(store_url, scene)


def test_a_worker_that_lost_its_lease_writes_nothing_down(store_url: str) -> None:
    """One that stood still while another took over does not set back how far the webhook is."""

    async def scene(watch: Watch) -> None:
        with Receiver() as receiver:
            slow, next_one = watch.delivery(receiver.url), watch.delivery(receiver.url)
            await slow.step()
            await watch.tell("a")
            real_post = watch.post

            async def post_slowly(*args: object, **kwargs: object) -> object:
                answer = await real_post(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they are
                await watch.state.delete(f"llmgw:{{signals}}:lease:webhook:{slow.hook.id}")
                await next_one.step()
                return answer

            slow._means = slow._means._replace(post=post_slowly)  # type: ignore[arg-type]
            await slow.step()
            assert receiver.ids() == ["a", "a"]
            assert (await watch.record(next_one)).delivered == 1

    on_watch(store_url, scene)


def test_a_receiver_that_wants_to_be_left_alone_is(store_url: str) -> None:
    """`Retry-After` lengthens a wait, but not beyond an hour."""

    async def scene(watch: Watch) -> None:
        for asked, waited in (("60", 60_000), ("1", 5_000), ("9999999", LONGEST_MS)):
            with Receiver(503, headers={"retry-after": asked}) as receiver:
                delivery = watch.delivery(receiver.url)
                await delivery.step()
                await watch.tell(f"a{asked}")
                await delivery.step()
                assert (await watch.record(delivery)).next_ms - watch.now_ms == waited

    on_watch(store_url, scene)


def test_a_receiver_that_is_gone_gets_nothing_until_a_restart(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """410 disables it, for all workers; after a restart the same event comes again."""

    async def scene(watch: Watch) -> None:
        with Receiver(410) as receiver:
            delivery = watch.delivery(receiver.url)
            await delivery.step()
            await watch.tell("a")
            await delivery.step()
            assert (await watch.record(delivery)).state == "disabled"
            watch.clock.advance(DAY_S)
            assert await delivery.step() == IDLE_MS
            assert receiver.ids() == ["a"]
            await delivery.revive()
            await delivery.step()
            assert receiver.ids() == ["a", "a"]

    with caplog.at_level(logging.WARNING):
        on_watch(store_url, scene)
    assert "is gone" in caplog.text


def test_after_a_day_of_failures_what_is_as_old_is_given_up(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two old events are given up, one of them untried, with a line of log each; a new one waits its turn."""

    async def scene(watch: Watch) -> None:
        with Receiver(*[500] * 100) as receiver:
            delivery = watch.delivery(receiver.url)
            await delivery.step()
            await watch.tell("a", "b")
            await delivery.step()
            watch.clock.advance(DAY_S)
            await watch.tell("c")
            await delivery.step()
            record = await watch.record(delivery)
            assert receiver.ids() == ["a", "a"]
            assert (record.given_up, record.given_up_event, record.given_up_ms) == (2, "b", watch.now_ms)
            assert record.state == "failing"
            receiver.script.clear()
            await watch.away(delivery)
            await delivery.step()
            assert receiver.ids() == ["a", "a", "c"]
            assert (await watch.record(delivery)).given_up == 2

    with caplog.at_level(logging.ERROR):
        on_watch(store_url, scene)
    lost = [line for line in caplog.messages if line.endswith("within a day: given up")]
    assert [line.split(" take ")[1].split(" ")[0] for line in lost] == ["a", "b"]


def test_a_webhook_gets_its_kinds_and_tenants_alone(store_url: str) -> None:
    """Others are passed over, and do not come later either."""

    async def scene(watch: Watch) -> None:
        with Receiver() as receiver:
            delivery = watch.delivery(receiver.url, kinds=("spend.spike",), tenants=("acme",))
            await delivery.step()
            await watch.tell("a")
            await watch.tell("b", kind="spend.spike")
            await watch.tell("c", tenant="zeta", kind="spend.spike")
            await delivery.step()
            assert receiver.ids() == ["b"]

    on_watch(store_url, scene)


def test_more_events_than_one_look_takes_all_come(store_url: str) -> None:
    """120 events come once each and in order, over several looks."""

    async def scene(watch: Watch) -> None:
        with Receiver() as receiver:
            delivery = watch.delivery(receiver.url)
            await delivery.step()
            names = [f"e{number}" for number in range(120)]
            await watch.tell(*names)
            looks = 1
            while await delivery.step() == 0:
                looks += 1
            assert receiver.ids() == names
            assert looks == 3

    on_watch(store_url, scene)


def test_deliveries_wait_while_the_store_is_away(store_url: str) -> None:
    """Nothing is sent by a worker that cannot know whether it may."""

    async def scene(watch: Watch) -> None:
        with Receiver() as receiver:
            delivery = watch.delivery(receiver.url)
            await delivery.step()
            await watch.tell("a")
            away = State("unix:///nowhere", timeout_s=ROOMY_S)
            elsewhere = Watch(away, None)  # type: ignore[arg-type]  # it never gets so far
            with pytest.raises(Exception, match="does not answer"):
                await elsewhere.delivery(receiver.url).step()
            assert receiver.got == []
            await away.aclose()

    on_watch(store_url, scene)
