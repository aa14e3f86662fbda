"""What scoring says when it cannot go on: what, where and what to do."""


class ScoringError(Exception):
    """Grading cannot go on; the message says what, where and what to do."""


class MethodError(ScoringError):
    """A methodology file is refused; the message lists every fault as ``file:line: key: reason``."""


class InputsError(ScoringError):
    """The marts lack something that grading needs, or contradict the method."""


class UnknownEnterpriseError(ScoringError):
    """No run that counts graded the enterprise that was asked for."""
