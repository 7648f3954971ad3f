"""Clients: one a service, and none made before it is asked."""

from unittest.mock import Mock

import pytest

from millrace.core import aws


def test_a_lazy_client_is_made_at_its_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Mock()
    monkeypatch.setattr(aws, "client", client)
    lazy = aws.Lazy("s3")
    client.assert_not_called()
    assert lazy.put_object(Bucket="lake") is client.return_value.put_object.return_value
    client.assert_called_once_with("s3")
