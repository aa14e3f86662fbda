"""Proof that grades deserve trust: the gates of methodology §9, measured with intervals and reported as they are."""
