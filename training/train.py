"""What SageMaker's container runs: the training job of the platform, from the source archive that brings it along."""

import os
import sys

from millrace.training.job import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
