"""The ground that every package stands on: settings, connections, embedded PostgreSQL, migrations, roles.

Owns the schemas and who may write them. Knows nothing of feeds, models, methods or pages.
"""
