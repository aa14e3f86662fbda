"""What publishing says when it cannot go on: what, where, and what to do."""


class PublishingError(Exception):
    """A run cannot be published or grades cannot be delivered; the message is for people."""
