"""Password hashes."""

from contextlib import nullcontext

from hub.access.passwords import Passwords


def test_a_password_is_known_by_its_hash_and_nothing_else() -> None:
    passwords = Passwords(nullcontext())
    kept = passwords.hash("correct horse")
    assert kept.startswith("$argon2id$")
    assert passwords.verify("correct horse", kept)
    assert not passwords.verify("wrong horse", kept)
    assert not passwords.verify("correct horse", "no hash at all")
    assert not passwords.refuse("nobody")


def test_every_hash_takes_its_turn() -> None:
    class Turns:
        entered = 0

        def __enter__(self) -> None:
            self.entered += 1

        def __exit__(self, *_: object) -> None:
            return None

    turns = Turns()
    passwords = Passwords(turns)
    passwords.verify("x", passwords.hash("x"))
    assert turns.entered == 2
