"""The gates: is this batch, are these score inputs, are these grades plausible enough to go on?

Owns the committed suites, running them with Great Expectations, the record of each result and its offline page.
Must not import ingestion or scoring: it sees a batch's statistics, and tables in PostgreSQL.
"""
