"""What a request to S3 asks of IAM."""

import pytest

from tests.support.s3_watch import actions

DELETE = b"<Delete><Object><Key>a/1</Key></Object><Object><Key>a/2</Key></Object></Delete>"


@pytest.mark.parametrize(
    ("method", "target", "found"),
    [
        ("GET", "/b/raw/org%3Dacme/x.parquet", [("s3:GetObject", "lake/raw/org=acme/x.parquet")]),
        ("HEAD", "/b/raw/x", [("s3:GetObject", "lake/raw/x")]),
        ("GET", "/b?list-type=2&prefix=raw%2F", [("s3:ListBucket", "lake")]),
        ("HEAD", "/b", [("s3:ListBucket", "lake")]),
        ("PUT", "/b/a?partNumber=1&uploadId=2", [("s3:PutObject", "lake/a")]),
        ("POST", "/b/a?uploads", [("s3:PutObject", "lake/a")]),
        ("DELETE", "/b/a?uploadId=2", [("s3:AbortMultipartUpload", "lake/a")]),
        ("DELETE", "/b/a", [("s3:DeleteObject", "lake/a")]),
        ("POST", "/b?delete", [("s3:DeleteObject", "lake/a/1"), ("s3:DeleteObject", "lake/a/2")]),
    ],
)
def test_method_path_and_query_name_the_action(
    method: str, target: str, found: list[tuple[str, str]]
) -> None:
    assert actions(method, target, body=DELETE) == found


def test_a_copy_reads_and_writes() -> None:
    assert actions("PUT", "/b/new", copied="/b/old%20one?versionId=1") == [
        ("s3:GetObject", "lake/old one"),
        ("s3:PutObject", "lake/new"),
    ]


@pytest.mark.parametrize(("method", "target"), [("PUT", "/b"), ("GET", "/b?policy"), ("PATCH", "/b/a")])
def test_what_no_role_is_to_ask_has_no_name(method: str, target: str) -> None:
    with pytest.raises(ValueError, match="not an action"):
        actions(method, target)
