"""The command line: the only place besides ``dags/`` that knows every package."""
