"""What `cdk synth` and `cdk deploy` run: the stacks of one environment, chosen by `-c env=`."""

import sys
from pathlib import Path

# The tables are derived from the platform's own models, so its code is needed wherever the stacks are made.
sys.path.insert(0, str(Path(__file__).resolve().parent / "layers" / "millrace" / "python"))

from stacks.application import synthesize

if __name__ == "__main__":
    synthesize()
