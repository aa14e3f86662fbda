"""Who is who, and when: enterprises, communities and divisions that change, are renumbered or are written differently.

Owns the schema ``entities`` (role ``pc_entities`` alone writes it; migration 0041 describes its tables and columns):
the register of entities with every identifier and name they have had, and the decisions that made it so. Must not
know what a record or a complaint counts for; the models read the register as it was known on their night.
"""
