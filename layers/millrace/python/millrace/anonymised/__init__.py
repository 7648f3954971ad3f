"""Tables about nobody: rows of people grouped until each group is of so many of them that it tells of none."""
