"""What a night does and records: its tasks, their order and their summary; the DAGs and the command line only call it.

The only place besides ``cli/`` that knows every package.
"""
