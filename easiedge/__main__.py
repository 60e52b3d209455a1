"""``python -m easiedge`` is the command line."""

from easiedge.cli import main

main()
