"""What intake refused: kept whole, with the reasons, to be listed, read, repaired and replayed."""
