"""Who may do what: the table, and what roles come to at each site."""

import pytest

from hub.access.roles import PERMITTED, Action, Rights
from hub.vocabulary import Role


def test_every_role_stands_in_the_table() -> None:
    assert set(PERMITTED) == set(Role)


def test_an_administrator_may_everything_and_a_relative_nothing() -> None:
    assert PERMITTED[Role.ADMIN] == set(Action)
    assert PERMITTED[Role.FAMILY] == set()


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMIN}))
def test_only_administrators_change_registry_rules_people_and_webhooks(role: Role) -> None:
    reserved = {
        Action.WRITE_REGISTRY,
        Action.ISSUE_CREDENTIALS,
        Action.WRITE_RULES,
        Action.WRITE_PEOPLE,
        Action.MANAGE_WEBHOOKS,
    }
    assert not PERMITTED[role] & reserved


def test_an_auditor_only_reads_and_sees_nobodys_vitals() -> None:
    assert all(action.value.startswith("read_") for action in PERMITTED[Role.AUDITOR])
    assert Action.READ_VITALS not in PERMITTED[Role.AUDITOR]


def test_a_role_counts_at_its_site_alone() -> None:
    rights = Rights(((Role.OPERATOR, "demo"), (Role.CREW, "other")))
    assert rights.sites(Action.HANDLE_ALERTS) == {"demo"}
    assert rights.sites(Action.READ_REGISTRY) == {"demo", "other"}
    assert rights.may(Action.HANDLE_ALERTS, "demo")
    assert not rights.may(Action.HANDLE_ALERTS, "other")
    assert not rights.may_everywhere(Action.READ_REGISTRY)


def test_a_role_for_every_site_counts_at_those_to_come() -> None:
    rights = Rights(((Role.AUDITOR, "*"),))
    assert rights.sites(Action.READ_ALERTS) is None
    assert rights.may_everywhere(Action.READ_ALERTS)
    assert not rights.may(Action.WRITE_RULES, "demo")


def test_nobody_without_roles_sees_anything() -> None:
    rights = Rights(())
    assert all(rights.sites(action) == frozenset() for action in Action)
    assert not rights.sight_of_alerts.takes_in("demo", life_safety=True, crew=None)


def test_only_crews_at_sites_where_one_works_are_ones_own() -> None:
    rights = Rights(((Role.CREW, "demo"), (Role.AUDITOR, "other")), frozenset({"demo.w", "other.w"}))
    assert rights.own_crews == {"demo.w"}


def test_sight_is_the_union_of_site_care_and_crew() -> None:
    rights = Rights(((Role.CARER, "demo"), (Role.OPERATOR, "other"), (Role.CREW, "third")), frozenset({"third.w"}))
    sight = rights.sight_of_orders
    for site, life_safety, crew, seen in (
        ("demo", True, None, True),
        ("demo", False, None, False),
        ("demo", False, "demo.w", False),
        ("other", False, None, True),
        ("third", False, "third.w", True),
        ("third", True, "third.x", False),
    ):
        assert sight.takes_in(site, life_safety=life_safety, crew=crew) is seen, (site, life_safety, crew)
