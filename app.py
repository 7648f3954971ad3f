"""What `cdk synth` and `cdk deploy` run: the stacks of one environment, chosen by `-c env=`."""

import sys
from pathlib import Path

# The tables are derived from the platform's own models, so its code is needed wherever the stacks are made.
sys.path.insert(0, str(Path(__file__).resolve().parent / "layers" / "millrace" / "python"))

from millrace.compiler.places import located
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.contracts.errors import ContractError
from millrace.core.errors import MillraceError


def main() -> None:
    """Synthesizes; what somebody wrote wrong is a line on standard error each, without a traceback."""
    try:
        # The settings are read when they are imported.
        from stacks.application import synthesize  # noqa: PLC0415

        synthesize()
    except (ContractError, WarehouseError) as error:
        sys.exit("\n".join(located(error, Path(__file__).resolve().parent)))
    except MillraceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
