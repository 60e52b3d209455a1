"""``easiedge compare``: methods and scopes side by side at matched budgets, paired by seed."""
