"""The hub's error tree; HTTP knows of it only in `api/problems`."""


class HubError(Exception):
    """Something the hub cannot do; the message is one line for a person."""


class StorageError(HubError):
    """A store cannot be opened or does not commit."""


class StorageMissingError(StorageError):
    """The folder or file of a store is missing or may not be opened."""


class StorageLockedError(StorageError):
    """Another process holds the store."""


class StorageCorruptError(StorageError):
    """The file of a store is damaged, or is something else."""


class TelemetryUnavailableError(StorageError):
    """The telemetry store does not answer a question; what was committed is safe."""


class NotFoundError(HubError, LookupError):
    """There is no such thing, or the caller may not see it."""


class ConflictError(HubError):
    """The request contradicts what is there, a taken slug for instance."""


class IllegalTransitionError(ConflictError):
    """The step is not legal in this state; `legal` names those that are."""

    def __init__(self, message: str, *, legal: tuple[str, ...]) -> None:
        """Keep the legal steps beside the message."""
        super().__init__(message)
        self.legal = legal


class HistoryError(ConflictError):
    """Something refers to it, so it can be retired but not deleted."""


class StaleVersionError(HubError):
    """Somebody else changed it first."""


class InvalidError(HubError, ValueError):
    """The request is understood but not acceptable; `errors` are (field, message) pairs."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        """Keep the pairs, and say them in one line."""
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors))
        self.errors = errors


class ForbiddenError(HubError):
    """The caller sees the thing but may not do this to it."""


class UnauthenticatedError(HubError):
    """Nobody has shown who asks, or not with success."""


class TooManyRequestsError(HubError):
    """The caller has to wait `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        """Keep the wait beside the message."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BrokerUnavailableError(HubError):
    """The broker does not do what its administrator asks: it is away, or refuses."""


class ConfigurationError(HubError):
    """A setting is wrong; the message names the key and the reason."""
