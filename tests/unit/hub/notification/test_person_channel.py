from dataclasses import replace

import pytest

from hub.errors import InvalidError
from hub.notification.digest import QuietHours
from hub.notification.person_channel import (
    LOCAL,
    VENDORS,
    PersonChannel,
    Recipient,
    check_channel,
    masked,
    one_each,
    present_channel,
    without_secrets,
)

KEY = "693a91f6-7aoc-4bc4-97a0-0ec2sifa5aaa"
ROBOT = PersonChannel(
    id="01JC", person="01JLI", name="值班群", url=f"wecombot://{KEY}", per_minute=18, created_at_ms=1_795_000_000_000
)
URLS = [
    ROBOT.url,
    f"mailto://li:{KEY}@example.org?to=li@example.org",
    f"json://user:{KEY}@127.0.0.1:9/{KEY}?token={KEY}",
    f"tgram://{KEY}/12345",
    KEY,
]


@pytest.mark.parametrize("url", URLS)
def test_an_address_is_shown_by_its_service_alone(url: str) -> None:
    shown = masked(url)
    assert KEY not in shown
    assert shown.endswith("://****")


def test_the_item_holds_no_part_of_the_address() -> None:
    item = present_channel(replace(ROBOT, quiet=QuietHours(1_320, 420), verified_at_ms=1_795_000_000_000))
    assert KEY not in str(item)
    assert (item["service"], item["url"]) == ("wecombot", "wecombot://****")
    assert item["quiet_hours"] == {"from": "22:00", "until": "07:00"}


@pytest.mark.parametrize("url", URLS)
def test_an_error_is_freed_of_every_part_of_the_address(url: str) -> None:
    said = f"HTTPSConnectionPool: /cgi-bin/webhook/send?key={KEY} at {url} failed"
    assert KEY not in without_secrets(said, url)


def test_an_error_is_freed_of_what_the_address_holds_in_percent_signs() -> None:
    assert without_secrets("login li with p@ss!word failed", "mailto://li:p%40ss%21word@example.org") == (
        "login li with **** failed"
    )


def test_an_error_without_secrets_stays_as_it_is() -> None:
    assert without_secrets("ConnectTimeout: too slow", ROBOT.url) == "ConnectTimeout: too slow"


def test_a_groups_robot_is_one_address_whoever_entered_it() -> None:
    for url in (f"wecombot://{KEY}/", f"wecombot://{KEY}?retry=3"):
        assert replace(ROBOT, url=url).key == ROBOT.key
    assert replace(ROBOT, url="wecombot://another").key != ROBOT.key
    assert KEY not in ROBOT.key


def test_two_people_of_one_mailbox_server_are_two_addresses() -> None:
    one, two = (replace(ROBOT, url=f"mailto://li:pw@example.org?to={name}@example.org") for name in ("li", "wang"))
    assert one.key != two.key


def test_a_groups_robot_says_a_thing_once_and_a_persons_channels_all_do() -> None:
    same = Recipient(replace(ROBOT, id="01JD", person="01JWANG"), "en", "UTC")
    other = Recipient(replace(ROBOT, id="01JE", url="bark://key@example.org"), "zh", "UTC")
    first = Recipient(ROBOT, "zh", "UTC")
    assert one_each([first, same, other]) == [first, other]


@pytest.mark.parametrize("url", ["", "wecombot", "wecombot://", "://key", "wecombot://a b", "wecombot://a\n"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidError, match="such as wecombot"):
        check_channel(url=url, per_minute=None, by_administrator=True)


@pytest.mark.parametrize("scheme", sorted(LOCAL))
def test_what_reaches_the_hubs_own_machine_is_refused_to_everybody(scheme: str) -> None:
    with pytest.raises(InvalidError, match="no person"):
        check_channel(url=f"{scheme}://x", per_minute=None, by_administrator=True)


@pytest.mark.parametrize("url", ["json://127.0.0.1/x", "mailto://u:p@example.org", "ntfy://127.0.0.1/topic"])
def test_where_the_server_can_be_chosen_an_administrator_has_to(url: str) -> None:
    check_channel(url=url, per_minute=None, by_administrator=True)
    with pytest.raises(InvalidError, match="administrator") as refused:
        check_channel(url=url, per_minute=None, by_administrator=False)
    assert url not in str(refused.value)


@pytest.mark.parametrize("scheme", sorted(VENDORS))
def test_a_vendors_service_everybody_may_add(scheme: str) -> None:
    check_channel(url=f"{scheme}://{KEY}", per_minute=1, by_administrator=False)


def test_a_pace_above_what_the_service_takes_is_refused() -> None:
    check_channel(url=ROBOT.url, per_minute=18, by_administrator=True)
    with pytest.raises(InvalidError, match="18 a minute"):
        check_channel(url=ROBOT.url, per_minute=19, by_administrator=True)
