"""Events of the platform's own, sent to see whether they arrive. Used by a schedule and by `millrace doctor`."""
