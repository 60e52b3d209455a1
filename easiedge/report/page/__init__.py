"""``easiedge report``: one page, a table and pictures from the runs below a folder."""
