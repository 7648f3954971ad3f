"""Runs MiniStack, in its own virtual environment, with what is mended of it. Nothing here is imported by the rest.

AWS hands a compressed body to a function as base64; MiniStack decides by the media type alone and would decode gzip
as text, which destroys it.
"""

import sys
from typing import Any

from ministack.app import main
from ministack.services import apigateway

_invoke = apigateway._invoke_lambda_proxy  # noqa: SLF001  there is no other place to mend it


class _Compressed(dict[str, Any]):
    """Headers of a compressed request: what asks whether the body is text hears that it is not."""

    def get(self, name: str, default: Any = None) -> Any:
        return "application/octet-stream" if name == "content-type" else super().get(name, default)


async def _invoke_with_bytes(
    integration: Any, api_id: Any, stage: Any, path: Any, method: Any, headers: Any, *rest: Any, **more: Any
) -> Any:
    if headers.get("content-encoding", "identity").lower() != "identity":
        headers = _Compressed(headers)
    return await _invoke(integration, api_id, stage, path, method, headers, *rest, **more)


apigateway._invoke_lambda_proxy = _invoke_with_bytes  # noqa: SLF001

if __name__ == "__main__":
    sys.exit(main())
