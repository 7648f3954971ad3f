"""Models: trained on what was known, judged on what came later. Needs training/requirements.txt, but for `fraud`, `order`, `periods`."""
