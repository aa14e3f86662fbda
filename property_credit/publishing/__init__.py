"""Publishing: changed grades become versions and outbox rows, a relay delivers them, an API serves them.

Owns the schema ``publishing``: which run is current, every grade that ever stood, what was delivered and the receipts.
Reads grades from ``scoring``; must not know feeds, marts or how a grade came about.
"""
