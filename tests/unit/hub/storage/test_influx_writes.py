import pytest

from hub.storage.influx_writes import InfluxTarget, _message, _seconds

NOW = "Sat, 21 Nov 2026 08:00:00 GMT"


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        (None, NOW, None),
        ("7", None, 7.0),
        (" 120 ", NOW, 120.0),
        ("Sat, 21 Nov 2026 08:00:30 GMT", NOW, 30.0),
        ("Sat, 21 Nov 2026 07:59:00 GMT", NOW, 0.0),
        ("Sat, 21 Nov 2026 08:00:30 GMT", None, None),
        ("soon", NOW, None),
        ("-5", NOW, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_that_counts_from_the_servers_own(
    retry_after: str | None, date: str | None, seconds: float | None
) -> None:
    assert _seconds(retry_after, date) == seconds


@pytest.mark.parametrize(
    ("body", "message", "in_json"),
    [
        ('{"error":"database not found: \\"x\\""}\n', 'database not found: "x"', True),
        (b'{"code":"invalid","message":"unable to parse"}', "unable to parse", True),
        ('{"detail":"partial write"}', '{"detail":"partial write"}', False),
        ("<html>gateway</html>", "<html>gateway</html>", False),
        ("[1]", "[1]", False),
        (None, "", False),
        (b"\xff", "�", False),
    ],
)
def test_the_servers_own_words_are_found_in_every_dialect(
    body: str | bytes | None, message: str, *, in_json: bool
) -> None:
    assert _message(body) == (message, in_json)


@pytest.mark.parametrize(
    ("bucket", "database", "policy"),
    [("linli", "linli", None), ("linli/autogen", "linli", "autogen"), ("x/", "x", None)],
)
def test_a_bucket_is_a_database_and_maybe_its_retention_policy(bucket: str, database: str, policy: str | None) -> None:
    target = InfluxTarget("http://127.0.0.1:8086", bucket=bucket)
    assert (target.database, target.retention_policy) == (database, policy)


def test_a_target_does_not_show_its_token() -> None:
    assert "s3cret" not in repr(InfluxTarget("http://127.0.0.1:8086", token="s3cret"))
