"""`millrace protect`: what was stored before fields were protected and users were numbers is rewritten in place."""
