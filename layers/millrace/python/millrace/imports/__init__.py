"""Files as a way in: a file of rows becomes events of one type, each judged by intake, with a report of what became of them."""
