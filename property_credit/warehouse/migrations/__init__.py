"""Numbered migrations (Alembic). Each is plain SQL; a migration that has landed is never edited."""
