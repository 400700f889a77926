"""What is wrong with a labelled data set: read tolerantly, looked at by many small checks, told in three severities.

``subject`` is a data set as the checks see it, ``reading`` makes one of a config, ``facts`` are what only the pictures
know, ``kinds`` holds the checks (a module there is found by being there), ``running`` runs them all, and ``table``,
``problems`` and ``page`` tell what was found.
"""
