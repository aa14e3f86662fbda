"""Worlds: regions whose truth owes nothing to the method that is judged on them, one file a world.

Owns quality, conduct, events and what stands between them and the record. Knows the two policy documents, the feeds'
contracts and how comparable systems behave; must not know ``scoring``, its anchors, strata or weights.
"""
