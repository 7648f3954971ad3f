"""The entry point of SageMaker's container: the platform's training job, from the source archive."""

import os
import sys

from millrace.training.job import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
