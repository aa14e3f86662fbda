"""What supervision says when it cannot do as asked."""


class SupervisionError(ValueError):
    """What was asked for cannot be found or done; the message says why and what to do."""
