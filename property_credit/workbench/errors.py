"""What the workbench refuses; every message is Chinese, for the person who acted, and says what to do."""


class WorkbenchError(Exception):
    """An act is refused; ``status`` is the HTTP status that says so."""

    status = 400


class NotAllowedError(WorkbenchError):
    """The account may not do this here."""

    status = 403


class MissingError(WorkbenchError):
    """There is no such case, or not for this account: which of the two is not told."""

    status = 404


class ConflictError(WorkbenchError):
    """Somebody else acted on the case in the meantime."""

    status = 409
