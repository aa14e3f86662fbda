"""What the pages say when they cannot be built."""


class ScorecardError(Exception):
    """The pages of a date cannot be built; the message says what is missing and what to do first."""
