"""The one door to pyserial: a serial port, imported when the first is opened."""

from typing import Any, Final

from edge.errors import DeviceUnavailable, LibraryMissing

PATIENCE_S: Final = 0.1
"""Longest wait for the next byte before the caller is asked whether it still wants it."""
WRITE_S: Final = 2.0


class SerialPort:
    """A serial port, 8 bits, no parity, one stop bit; nobody else may open it meanwhile."""

    def __init__(self, path: str, *, baud: int) -> None:
        self._path = path
        self._baud = baud
        self._port: Any = None

    def open(self) -> None:
        """Take the port; raises LibraryMissing or DeviceUnavailable."""
        if self._port is not None:
            return
        serial = _pyserial()
        try:
            self._port = serial.Serial(
                self._path, self._baud, timeout=PATIENCE_S, write_timeout=WRITE_S, exclusive=True
            )
        except (OSError, ValueError) as error:
            raise DeviceUnavailable(f"{self._path}: {_reason(error)}") from error

    def forget(self) -> None:
        """Drop what has come so far: it is of the past. Raises DeviceUnavailable."""
        port = self._opened()
        try:
            port.reset_input_buffer()
        except Exception as error:
            raise DeviceUnavailable(f"{self._path}: {error}") from error

    def receive(self) -> bytes:
        """Return what has come, at least one byte; nothing after `PATIENCE_S` of silence. Raises DeviceUnavailable."""
        port = self._opened()
        try:
            return bytes(port.read(max(1, port.in_waiting)))
        except Exception as error:
            # A port that is closed or pulled out under a reader shows itself in many ways.
            raise DeviceUnavailable(f"{self._path}: {error}") from error

    def send(self, data: bytes) -> None:
        """Write it; raises DeviceUnavailable, also where nobody takes it for `WRITE_S`."""
        port = self._opened()
        try:
            port.write(data)
        except Exception as error:
            raise DeviceUnavailable(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Let go of the port; idempotent."""
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _opened(self) -> Any:
        port = self._port
        if port is None:
            raise DeviceUnavailable(f"{self._path} is not open")
        return port


def _pyserial() -> Any:
    try:
        import serial
    except ImportError as error:
        raise LibraryMissing(
            "pyserial is not installed: pip install 'linli[serial]', or on Raspberry Pi OS: apt install python3-serial"
        ) from error
    return serial


def _reason(error: Exception) -> str:
    """Return what the system says, without pyserial's frame around it."""
    number = getattr(error, "errno", None)
    return _KNOWN.get(number, str(error)) if isinstance(number, int) else str(error)


_KNOWN: Final = {
    2: "no such port (is the serial port enabled in raspi-config?)",
    11: "the port is in use",
    13: "no permission (is the user in the group dialout?)",
    16: "the port is in use",
}
