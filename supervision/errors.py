"""What supervision says when it cannot do as asked."""


class SupervisionError(ValueError):
    """An alert or decision cannot be found or made as asked; the message says why and what to do."""
