"""What Lambda calls, a folder a function: settings and handler.

While a copy begins, nothing that it makes is garbage, and looking for some is a tenth of a cold start. So the collector is
off until the handler is there (`core.edge`), and leaves alone for good what was made until then.
"""

import gc
import os

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    gc.disable()
