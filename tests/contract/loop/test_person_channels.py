from dataclasses import replace

import pytest

from hub.errors import StaleVersionError
from hub.notification.digest import QuietHours
from hub.notification.person_channel import Recipient
from hub.vocabulary import Role
from tests.contract.loop.stores import GONE, LI, WANG, Repositories, channel

WATCHING = (Role.ADMIN, Role.OPERATOR)


def test_a_channel_is_read_as_it_was_written(stores: Repositories) -> None:
    whole = channel(quiet=QuietHours(1_320, 420), digest_s=900, verified_at_ms=6, disabled_at_ms=7)
    assert not stores.person_channels.any()
    stores.person_channels.add(whole)
    stores.person_channels.add(channel(2))
    stores.person_channels.add(channel(3, person=WANG))
    assert stores.person_channels.any()
    assert stores.person_channels.get(whole.id) == whole
    assert list(stores.person_channels.of_person(LI)) == [channel(2), whole]
    assert stores.person_channels.get("01JNONE") is None


def test_a_change_needs_the_version_before_it(stores: Repositories) -> None:
    stores.person_channels.add(channel())
    newer = replace(channel(), version=2, name="值班机器人", quiet=QuietHours(0, 360), digest_s=60, per_minute=5)
    stores.person_channels.save(newer)
    assert stores.person_channels.get(newer.id) == newer
    with pytest.raises(StaleVersionError):
        stores.person_channels.save(newer)


def test_a_forgotten_channel_is_gone(stores: Repositories) -> None:
    stores.person_channels.add(channel())
    stores.person_channels.remove(channel().id)
    assert stores.person_channels.get(channel().id) is None


def test_who_holds_a_role_or_is_in_the_crew_is_told_in_their_language(stores: Repositories) -> None:
    mine, second, theirs = channel(1), channel(2), channel(3, person=WANG)
    for one in (theirs, mine, second, channel(4, person=GONE), channel(5, disabled_at_ms=1)):
        stores.person_channels.add(one)
    concerned = stores.person_channels.concerned
    assert concerned("demo", roles=WATCHING, crew=None) == [
        Recipient(mine, "zh", "Asia/Shanghai"),
        Recipient(second, "zh", "Asia/Shanghai"),
    ]
    assert concerned("other", roles=WATCHING, crew=None) == []
    assert concerned("demo", roles=(), crew="demo.waste-1") == [Recipient(theirs, "en", "Asia/Shanghai")]
    assert concerned("demo", roles=(), crew=None) == []
    assert [one.channel for one in concerned("other", roles=(Role.DISPATCHER,), crew=None)] == [theirs]
    assert [one.channel for one in concerned("demo", roles=WATCHING, crew="demo.waste-1")] == [mine, second, theirs]


def test_a_token_is_taken_once(stores: Repositories) -> None:
    channels = stores.person_channels
    assert channels.spent_until_ms("key") == 0
    assert channels.spend("key", was_ms=0, until_ms=5_000)
    assert channels.spent_until_ms("key") == 5_000
    assert not channels.spend("key", was_ms=0, until_ms=9_000)
    assert channels.spend("key", was_ms=5_000, until_ms=9_000)
    assert channels.spent_until_ms("other") == 0
