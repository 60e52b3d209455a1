"""Going on where a run was: its finished stages are remembered, and the one it was in goes on at the batch it had reached.

A run is deterministic, so it is resumed by telling its story again: what was finished is read instead of done (training stages here, scores in
`easiedge.scoring.score_store`), under a key of all that decides it; what is made under other settings is never found.
"""
