"""Malformed and hostile messages, as a node with good credentials could send them; the seed decides every byte."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from protocols.lanes import Lane
from protocols.topics import Channel

LARGEST_BYTES: Final = 240 * 1024
BOMB_EVERY: Final = 150
"""One message in so many fills a packet: more would be a flood of bytes, not of poison."""
EPOCHS: Final = tuple(f"{number:016x}" for number in range(0xBAD0, 0xBAD8))
BOOT: Final = "b" * 16
_LANES: Final = (Lane.TELEMETRY,) * 5 + (Lane.EVENT,) * 4 + (Lane.SOS,)


@dataclass(frozen=True, slots=True)
class Poison:
    """One message: its kind, for the books, and where it goes."""

    kind: str
    channel: Channel
    payload: bytes


Body = dict[str, Any]
Brew = Callable[[Random, Lane], bytes]


def brew(seed: int, number: int) -> Iterator[Poison]:
    """So many poisons, of every kind."""
    random = Random(f"poison/{seed}")
    kinds = list(_BREWS.items())
    for each in range(number):
        name, make = ("bomb", _bomb) if each % BOMB_EVERY == BOMB_EVERY - 1 else kinds[each % len(kinds)]
        lane = random.choice(_LANES)
        yield Poison(name, _channel(name, lane, random), make(random, lane))


def _channel(kind: str, lane: Lane, random: Random) -> Channel:
    if "hello" in kind:
        return Channel.hello(lane)
    if "status" in kind:
        return Channel.STATUS
    if kind == "on any channel":
        return random.choice([one for one in Channel if one.value.startswith("up/")])
    return Channel.records(lane)


def _message(random: Random, records: list[Any], **changes: Any) -> Body:
    return {
        "schema": 1,
        "epoch": random.choice(EPOCHS),
        "first": 1,
        "boot": BOOT,
        "clock": "synced",
        "now": {"at": "2026-11-21T08:00:00.000Z", "uptime_ms": 5_000},
        "records": records,
        **changes,
    }


def _reading(random: Random, **changes: Any) -> Body:
    values = {"fill_percent": random.uniform(0, 100)}
    return {
        "device": "bad-us",
        "kind": "fill_level",
        "at": None,
        "uptime_ms": 1,
        "quality": 9,
        "values": values,
    } | changes


def _event(random: Random, **changes: Any) -> Body:
    ref = f"bad:{random.randrange(50)}"
    return {"device": "bad-us", "event": "lid_opened", "ref": ref, "at": None, "quality": 9, "details": {}} | changes


def _hello(lane: Lane, random: Random) -> Body:
    return {
        "schema": 1,
        "lane": lane,
        "epoch": random.choice(EPOCHS),
        "boot": BOOT,
        "min_retained": 1,
        "next": 1,
        "at": None,
        "uptime_ms": 1,
        "clock": "synced",
    }


def _json(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=True).encode()


def _broken_utf8(random: Random, lane: Lane) -> bytes:
    whole = bytearray(_json(_message(random, [_reading(random)])))
    whole[random.randrange(len(whole))] = random.choice((0xFF, 0xC0, 0x80, 0xED))
    return bytes(whole)


def _noise(random: Random, lane: Lane) -> bytes:
    return random.randbytes(random.choice((0, 1, 7, 200, 3_000)))


def _truncated(random: Random, lane: Lane) -> bytes:
    whole = _json(_message(random, [_reading(random), _event(random)]))
    return whole[: random.randrange(len(whole))]


def _deep(random: Random, lane: Lane) -> bytes:
    levels = random.choice((150, 500, 5_000, 30_000))
    nested = "[" * levels + "]" * levels if random.random() < 0.5 else '{"a":' * levels + "1" + "}" * levels
    return (
        f'{{"schema":1,"epoch":"{EPOCHS[0]}","first":1,"boot":"{BOOT}","clock":"synced","records":[{nested}]}}'.encode()
    )


def _deep_details(random: Random, lane: Lane) -> bytes:
    details: Any = 1
    for _ in range(random.choice((199, 201, 400))):
        details = {"a": details} if random.random() < 0.5 else [details]
    return _json(_message(random, [_event(random, details={"d": details})]))


_HUGE: Final = (2**31, 2**53 - 2, 2**53, 2**63 - 1, 2**63, -(2**63), 10**40, -1, 0, 1.5)


def _huge_numbers(random: Random, lane: Lane) -> bytes:
    place = random.choice(("first", "schema", "uptime_ms", "quality", "value", "now"))
    huge = random.choice(_HUGE)
    match place:
        case "first" | "schema":
            return _json(_message(random, [_reading(random)], **{place: huge}))
        case "now":
            return _json(_message(random, [_reading(random)], clock="unsynced", now={"at": None, "uptime_ms": huge}))
        case "value":
            return _json(_message(random, [_reading(random, values={"fill_percent": huge, "distance_mm": -huge})]))
        case _:
            return _json(_message(random, [_reading(random, **{place: huge})]))


def _not_finite(random: Random, lane: Lane) -> bytes:
    value = random.choice((float("nan"), float("inf"), float("-inf")))
    return _json(_message(random, [_reading(random, values={"fill_percent": value})]))


def _long_number(random: Random, lane: Lane) -> bytes:
    digits = random.choice(("9" * 5_000, "1e999", "-1e99999", "0." + "3" * 9_000, "1" * 400 + ".5"))
    return _json(_message(random, [_reading(random, values={"fill_percent": 123456})])).replace(
        b"123456", digits.encode()
    )


_WRONG: Final = (None, True, "x", [], {}, 7, -1, 1.5, "\x00", "é" * 300)


def _wrong_types(random: Random, lane: Lane) -> bytes:
    message = _message(random, [_reading(random) if lane is Lane.TELEMETRY else _event(random)])
    target = random.choice((message, message["records"][0]))
    target[random.choice(list(target))] = random.choice(_WRONG)
    return _json(message)


def _wrong_lane(random: Random, lane: Lane) -> bytes:
    return _json(_message(random, [_event(random) if lane is Lane.TELEMETRY else _reading(random)]))


def _foreign(random: Random, lane: Lane) -> bytes:
    """A device of another node, or of nobody."""
    device = random.choice(("good-us", "good-band", "nobody", "../good-us", "good-us' OR 1=1 --", "\x00"))
    record = _reading(random, device=device) if lane is Lane.TELEMETRY else _event(random, device=device)
    return _json(_message(random, [record], site="good", node="good", lane="sos"))


def _duplicate_keys(random: Random, lane: Lane) -> bytes:
    whole = _json(_message(random, [_reading(random)])).decode()
    twice = random.choice(('"first":2', '"records":[]', f'"epoch":"{EPOCHS[1]}"', '"schema":2', '"boot":"x"'))
    return f"{whole[:-1]},{twice}}}".encode()


def _surrogates(random: Random, lane: Lane) -> bytes:
    text = random.choice(('"\\ud800"', '"\\udfff\\ud800"', '"a\\ud83d"', '"\\u0000"'))
    name = "device" if random.random() < 0.5 else "kind" if lane is Lane.TELEMETRY else "event"
    record = _reading(random) if lane is Lane.TELEMETRY else _event(random)
    return _json(_message(random, [record | {name: "SURROGATE"}])).replace(b'"SURROGATE"', text.encode())


def _gaps(random: Random, lane: Lane) -> bytes:
    to = random.choice((0, -1, 1, 2, 2**53 - 2, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 10**30, "5", None, 1.5))
    gap = {"gap": {"to": to, "reason": random.choice(("evicted", "nothing", 7, None))}}
    first = random.choice((1, 2, 2**53 - 3, 2**53 - 2))
    return _json(_message(random, [gap, _reading(random)], first=first))


def _unknown(random: Random, lane: Lane) -> bytes:
    name = random.choice(("rain", "", "x" * 65, "fill_level ", "SOS_PRESSED", "\u202efill"))
    record = _reading(random, kind=name) if lane is Lane.TELEMETRY else _event(random, event=name)
    return _json(_message(random, [record]))


def _future_schema(random: Random, lane: Lane) -> bytes:
    return _json(_message(random, [{"new": "shape"}], schema=random.choice((2, 99, 2**40))))


def _forged_hello(random: Random, lane: Lane) -> bytes:
    changes = random.choice(
        (
            {"lane": random.choice(("sos", "event", "telemetry", "all"))},
            {"next": random.choice((2**53 - 1, 2**53, -1, 0, "7"))},
            {"epoch": random.choice(("x" * 16, "A" * 16, "0" * 17, "0" * 16 + "\n", 7))},
            {"min_retained": 10**9},
            {"uptime_ms": random.choice((2**53, -1, None))},
            {"clock": "right"},
            {"interval_s": random.choice((0, -1, 1e308, float("nan")))},
            {"machine": "m" * 500, "new_epoch_because": "because"},
        )
    )
    return _json(_hello(lane, random) | changes)


def _forged_status(random: Random, lane: Lane) -> bytes:
    until = random.choice((None, "never", "9999-12-31T23:59:59.999Z", "2026-11-21T08:00:00+99:99", 7))
    state = random.choice(("online", "sleeping", "dead", "", None))
    return _json({"state": state, "boot": random.choice((BOOT, "x", None)), "version": "v" * 300, "until": until})


def _foreign_payload(random: Random, lane: Lane) -> bytes:
    """What belongs on another channel."""
    return random.choice(
        (
            _json(_hello(lane, random)),
            _json({"schema": 1, "lane": lane, "epoch": EPOCHS[0], "hw": 99, "hub_id": "hub", "hub_gen": "g"}),
            _json({"lane": lane, "refused": "malformed_json", "hash": "0" * 64}),
            _json([_reading(random)]),
            b"null",
            b'"text"',
            b"[]",
            b"{}",
            b"\xef\xbb\xbf{}",
        )
    )


def _many_bad(random: Random, lane: Lane) -> bytes:
    records = [random.choice((7, None, [], {}, _reading(random, device="nobody"), "x")) for _ in range(20)]
    return _json(_message(random, records))


def _bomb(random: Random, lane: Lane) -> bytes:
    """Beyond what a record or a message may be, and just below what the broker takes (256 KiB)."""
    record = _reading(random) if lane is Lane.TELEMETRY else _event(random)
    match random.randrange(4):
        case 0:
            return b" " * (LARGEST_BYTES + 1)
        case 1:
            return _json(_message(random, [record | {"padding": "p" * (LARGEST_BYTES - 1_000)}]))
        case 2:
            keys = {f"k{number}": number for number in range(5_000)}
            return _json(_message(random, [record | {"values": keys, "details": keys}]))
        case _:
            return _json(_message(random, [0] * 75_000))


_BREWS: Final[dict[str, Brew]] = {
    "broken UTF-8": _broken_utf8,
    "noise": _noise,
    "truncated": _truncated,
    "deep nesting": _deep,
    "deep details": _deep_details,
    "huge numbers": _huge_numbers,
    "not finite": _not_finite,
    "long numbers": _long_number,
    "wrong types": _wrong_types,
    "wrong lane": _wrong_lane,
    "foreign device": _foreign,
    "duplicate keys": _duplicate_keys,
    "surrogates": _surrogates,
    "gaps at the edge": _gaps,
    "unknown names": _unknown,
    "future schema": _future_schema,
    "forged hello": _forged_hello,
    "broken hello": _truncated,
    "forged status": _forged_status,
    "on any channel": _foreign_payload,
    "foreign payload": _foreign_payload,
    "many bad records": _many_bad,
}
KINDS: Final = (*_BREWS, "bomb")
