"""Model versions, uploads of training data, and changes of the champion."""
