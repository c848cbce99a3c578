from dataclasses import replace

import pytest

from hub.errors import ConflictError, StaleVersionError
from hub.vocabulary import Skill
from hub.workorders.order import OrderLogEntry, OrderReason, OrderState, OrderStep
from hub.workorders.ports import CrewLoad, OrderQuery
from tests.contract.loop.stores import BIN, NODE, OTHER, SITE, WANG, Repositories, alert, order


class TestWorkOrders:
    def test_an_order_is_read_as_it_was_written(self, stores: Repositories) -> None:
        whole = order(
            subject=NODE,
            state=OrderState.ON_HOLD,
            accepted_at_ms=1,
            accepted_by=WANG,
            done_at_ms=2,
            verified_at_ms=3,
            closed_at_ms=4,
            state_before_hold=OrderState.ACCEPTED,
            resume_at_ms=5,
            wake_at_ms=5,
        )
        stores.work_orders.add(whole)
        assert stores.work_orders.get(whole.id) == whole
        assert stores.work_orders.get("01JNONE") is None

    def test_the_alerts_of_an_order_come_with_it(self, stores: Repositories) -> None:
        stores.work_orders.add(order())
        stores.alerts.add(alert(2, work_order=order().id))
        stores.alerts.add(alert(1, subject=NODE, work_order=order().id))
        found = stores.work_orders.get(order().id)
        assert found is not None
        assert found.alerts == (alert(1).id, alert(2).id)

    def test_a_subject_has_one_open_order_of_a_class(self, stores: Repositories) -> None:
        stores.work_orders.add(order(1))
        stores.work_orders.add(order(2, fault_class="battery"))
        found = stores.work_orders.open_of(BIN.key, "waste")
        assert found is not None
        assert found.id == order(1).id
        with pytest.raises(ConflictError):
            stores.work_orders.add(order(3))

    @pytest.mark.parametrize("state", [OrderState.CLOSED, OrderState.CANCELLED])
    def test_an_order_that_is_over_makes_room(self, stores: Repositories, state: OrderState) -> None:
        stores.work_orders.add(order(1))
        stores.work_orders.save(replace(order(1), version=2, state=state))
        assert stores.work_orders.open_of(BIN.key, "waste") is None
        stores.work_orders.add(order(2))

    def test_only_the_next_version_is_saved(self, stores: Repositories) -> None:
        stores.work_orders.add(order())
        stores.work_orders.save(replace(order(), version=2))
        with pytest.raises(StaleVersionError):
            stores.work_orders.save(replace(order(), version=2))

    def test_the_log_keeps_the_parameters_of_its_reasons(self, stores: Repositories) -> None:
        stores.work_orders.add(order())
        entries = [
            OrderLogEntry(
                work_order=order().id,
                at_ms=1,
                step=OrderStep.ASSIGNED,
                reason=OrderReason.SKILL_MATCH,
                parameters={"skill": "waste", "open_orders": 2},
            ),
            OrderLogEntry(work_order=order().id, at_ms=2, step=OrderStep.HELD, person=WANG, comment="没钥匙"),
        ]
        stores.work_orders.log(*entries)
        stores.work_orders.log()
        assert list(stores.work_orders.log_of(order().id)) == entries

    @pytest.mark.parametrize(
        ("query", "numbers"),
        [
            (OrderQuery(), [4, 3, 2, 1]),
            (OrderQuery(sites=frozenset({"demo"})), [3, 2, 1]),
            (OrderQuery(sites=frozenset()), []),
            (OrderQuery(state=OrderState.OPEN), [3]),
            (OrderQuery(crews=frozenset({"demo.waste-2", "other.waste-1"})), [4, 2]),
            (OrderQuery(crews=frozenset()), []),
            (OrderQuery(facility="demo.bin-42"), [2, 1]),
            (OrderQuery(before=order(4).id, limit=2), [3, 2]),
        ],
    )
    def test_orders_are_listed_newest_first_by_what_is_asked(
        self, stores: Repositories, query: OrderQuery, numbers: list[int]
    ) -> None:
        stores.work_orders.add(order(1))
        stores.work_orders.add(order(2, fault_class="battery", crew="demo.waste-2"))
        stores.work_orders.add(order(3, subject=NODE, state=OrderState.OPEN, crew=None))
        stores.work_orders.add(order(4, subject=OTHER, crew="other.waste-1"))
        assert [found.id for found in stores.work_orders.find(query)] == [order(number).id for number in numbers]

    def test_what_is_due_is_found_in_order(self, stores: Repositories) -> None:
        stores.work_orders.add(order(1, wake_at_ms=200))
        stores.work_orders.add(order(2, subject=NODE, wake_at_ms=100))
        assert [found.id for found in stores.work_orders.due(200)] == [order(2).id, order(1).id]
        assert (stores.work_orders.any_due(99), stores.work_orders.any_due(100)) == (False, True)

    def test_crews_that_can_come_with_their_load(self, stores: Repositories) -> None:
        stores.work_orders.add(order(1))
        stores.work_orders.add(order(2, subject=NODE))
        stores.work_orders.add(order(3, subject=SITE, state=OrderState.CLOSED))
        able = stores.work_orders.able_crews("demo", Skill.WASTE)
        assert list(able) == [CrewLoad("demo.waste-1", 2), CrewLoad("demo.waste-2", 0)]
        assert list(stores.work_orders.able_crews("demo", Skill.CARE)) == []

    @pytest.mark.parametrize(
        ("site", "crew", "known"),
        [
            ("demo", "demo.waste-1", True),
            ("demo", "other.waste-1", False),
            ("demo", "demo.old", False),
            ("demo", "demo.none", False),
        ],
    )
    def test_a_crew_belongs_to_its_site_until_retired(
        self, stores: Repositories, site: str, crew: str, known: bool
    ) -> None:
        assert stores.work_orders.has_crew(site, crew) is known

    def test_a_site_has_its_time_zone(self, stores: Repositories) -> None:
        assert stores.work_orders.time_zone("demo") == "Asia/Shanghai"
        assert stores.work_orders.time_zone("nowhere") == "UTC"
