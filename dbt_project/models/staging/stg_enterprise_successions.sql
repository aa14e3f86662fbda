-- From when another enterprise stands in for one that merged or was succeeded, a row for each further one.
{{ successions('uscc', 'enterprises', rule('identity') == 'as_registered') }}
