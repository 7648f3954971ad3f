"""What is deployed. Importing this package tells jsii which Node to use, before anything imports the AWS CDK."""

import os
import sys
from pathlib import Path

# Node comes as a wheel into the same environment as this interpreter, which need not be on the PATH.
_node = Path(sys.executable).with_name("node")
if _node.exists():
    os.environ.setdefault("JSII_NODE", str(_node))
