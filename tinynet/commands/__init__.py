"""What `python -m tinynet COMMAND` runs."""
