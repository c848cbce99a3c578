from hub.ids import new_ulid


def test_ulids_rise_in_the_order_of_their_making_also_within_a_millisecond() -> None:
    made = [new_ulid() for _ in range(2_000)]
    assert made == sorted(set(made))


def test_a_ulid_is_26_characters_of_crockfords_alphabet() -> None:
    made = new_ulid()
    assert len(made) == 26
    assert set(made) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
