"""Scorecards: the month's pages for regulators, generated from marts and published grades.

Owns what a page shows and how it looks. Reads as role pc_pages; must not compute a grade or a rate that a mart can
give, and shows no complaint's text and no person.
"""
