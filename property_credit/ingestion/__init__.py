"""Source files and APIs become rows of raw, or of quarantine with a reason; nothing is silently dropped.

Owns raw and quarantine. Must not import any other package of the project than ``warehouse``.
"""
