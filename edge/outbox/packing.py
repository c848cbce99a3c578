"""Pure: records as the file keeps them. What all records say is left to a dictionary: a reading of 200 bytes takes 45.

A packed record begins with the number of its dictionary, one that is not packed with the brace of its JSON.
A dictionary is never changed, as files stand on it: another one gets another number.
"""

import zlib
from typing import Final

_FIRST: Final = b"\x01"
# What is said most often stands last, where it is cheapest to point at.
_DICTIONARY: Final = (
    b'"undervoltage":false,"cpu_temperature_c":"memory_mb":"cpu_percent":"disk_free_percent":"outbox_oldest_s":'
    b'"kind":"node_health","values":{"outbox_rows":'
    b'"event":"outbox_reset","because":"detail":"set_aside":"salvaged":"event":"low_disk","outbox_mb":"disk_free_mb":'
    b'"event":"clock_stepped","details":{"by_ms":"event":"fire_suspected","event":"button_pressed","event":"moved",'
    b'"event":"tamper","event":"lid_closed","event":"lid_opened","event":"fall_cancelled","event":"fall_detected",'
    b'"event":"sos_cancelled","event":"sos_pressed","ref":"band-","details":{"held_ms":'
    b'"contact":true,"worn":true,"motion_mg":"confidence_percent":"skin_temperature_c":"respiration_per_min":"spo2_percent":'
    b'"kind":"vitals","values":{"heart_rate_bpm":'
    b'"illuminance_lux":"burn_hours":"energy_wh":"power_factor":"current_a":"voltage_v":230.0,"on":true,"commanded_percent":'
    b'"kind":"lamp","values":{"power_w":'
    b'"tilt_deg":0.0,"ref":"sensor-pi-lamp-band-'
    b'{"device":"bin-00-us","kind":"fill_level","at":"2026-11-21T08:00:00.000Z","uptime_ms":86400000,"quality":100,'
    b'"values":{"distance_mm":0.0,"fill_percent":0.0,"temperature_c":0.0,"battery_percent":100.0}}'
)
_LEVEL: Final = 6
_WINDOW_BITS: Final = -12
"""Raw deflate over 4 KiB: the dictionary and a usual record fit, and an agent of 32 MB does not notice it."""
_MEMORY_LEVEL: Final = 5
_LONGEST: Final = 1 << 20
"""Bytes that a packed record may unpack to: sixteen times what the wire takes."""


class DamagedRecordError(Exception):
    """Bytes that were never packed here."""


def pack(body: bytes) -> bytes:
    """Return a record as it is kept; as it is where packing saves nothing."""
    packer = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, zdict=_DICTIONARY
    )
    packed = _FIRST + packer.compress(body) + packer.flush()
    return packed if len(packed) < len(body) else body


def unpack(kept: bytes) -> bytes:
    """Return the record; raises DamagedRecordError."""
    if kept[:1] == b"{":
        return kept
    if kept[:1] != _FIRST:
        raise DamagedRecordError("no record begins so")
    unpacker = zlib.decompressobj(_WINDOW_BITS, zdict=_DICTIONARY)
    try:
        body = unpacker.decompress(kept[1:], _LONGEST)
    except zlib.error as error:
        raise DamagedRecordError(str(error)) from error
    if not unpacker.eof or unpacker.unused_data:
        raise DamagedRecordError("it does not end where it should")
    return body
