"""Feature views: declared once as data, read as they were at any past moment."""
