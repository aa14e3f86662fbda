-- From when another community stands in for one that went into it, a row for each further one. A community that no register
-- has brought has no place and no manager, and succeeds nobody.
{{ successions('community_id', 'communities', rule('merged_communities') == 'follow') }}
