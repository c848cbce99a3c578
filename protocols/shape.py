"""The base of everything that is said on the wire."""

from msgspec import Struct


class Shape(Struct, frozen=True, omit_defaults=True, gc=False):
    """A frozen struct: unknown fields are ignored, integers are strict, what is not set is not written.

    Instances are not tracked by the garbage collector: they hold decoded JSON, which has no cycles. A field whose
    default comes from a function is always written.
    """
