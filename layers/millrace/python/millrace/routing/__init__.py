"""Out to the bus: the events whose contract says so, for subscribers who need nothing of ours but a rule."""
