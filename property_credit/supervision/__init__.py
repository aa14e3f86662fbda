"""Supervision: what must happen on time, and who is told when it did not.

Owns the schema ``supervision``: escalations of complaints, alerts on money and exits, the inspection draw, the clocks
of objections and repairs. Reads the marts; must not know how a grade comes about or how a notice is delivered.
"""
